"""What the driver of a sweep takes for an outcome, a task and a look at the queue: measured with
the code that does sweeps, on real outcomes, and commands of Slurm that only print."""

import contextlib
import json
import os
import time
import types

import slurm_queue
import sweep_slurm
from common import Refusal
from sweep_db import DONE
from sweep_records import remove_record, without_curves

SAMPLE = 2_000  # outcomes, and tasks


class Watch:
    """Seconds of what is done within, by name."""

    def __init__(self):
        self.seconds = {}

    @contextlib.contextmanager
    def __call__(self, name):
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


@contextlib.contextmanager
def stand_ins(folder):
    """Commands in place of Slurm's: sbatch gives numbers, squeue prints the file `queue`."""
    os.mkdir(folder)
    queue = os.path.join(folder, "queue")
    for name, text in (("sbatch", "cat > /dev/null; echo 1"), ("scontrol", "exit 1"),
                       ("squeue", f"exec cat '{queue}'")):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(os.path.join(folder, name), 0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}:{before}"
    try:
        yield queue
    finally:
        os.environ["PATH"] = before


def write_queue(path, sweep_id, places):
    with open(path, "w", encoding="ascii") as file:
        for submission, task in places:
            file.write(f"{slurm_queue.name_of(sweep_id, submission)}|1|{task}|PENDING\n")


def copies(folder, outcome_files, runs, curves):
    """Real outcomes under the keys of these runs. Returns their bytes, of one on average."""
    os.makedirs(folder)
    records, total = [], 0
    for path in outcome_files:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        if not curves:
            record["outcome"] = without_curves(record["outcome"])
        records.append(record)
    for number, run in enumerate(runs):
        text = json.dumps(dict(records[number % len(records)], key=run.key))
        total += len(text)
        with open(os.path.join(folder, f"{run.key}.json"), "w", encoding="utf-8") as file:
            file.write(text)
    return total / len(runs)


def of_outcomes(database, site, runs, outcome_files, watch):
    """Costs of outcomes: {name of Costs: seconds}, and {what: bytes of a run}."""
    sample, path = runs[:SAMPLE], database.path
    left = copies(site.outcomes, outcome_files, sample, site.curves)
    planned_bytes = os.path.getsize(path)
    with watch("gather"):
        taken, _ = database.gather(site.outcomes, site.curves, set())
    grown = os.path.getsize(path) - planned_bytes
    with database.writing() as connection:
        connection.execute("UPDATE runs SET state = ?", (DONE,))
    marks = set(taken)
    with watch("look at marks"):
        database.gather(site.outcomes, site.curves, marks)
    for run in sample:
        remove_record(site.outcomes, run.key)
    with watch("look at nothing"):
        database.gather(site.outcomes, site.curves, marks)
    took = watch.seconds
    if len(taken) != len(sample):
        raise Refusal("outcomes of short runs are not taken in")
    return ({"run": took["gather"] / len(sample),
             "run_known": took["look at nothing"] / len(runs),
             "mark": max(0, took["look at marks"] - took["look at nothing"]) / len(sample)},
            {"planned": planned_bytes / len(runs), "database": grown / len(sample),
             "outcome_file": left})


def of_tasks(database, site, tasks, options, folder, watch):
    """Costs of tasks, all of whose runs are finished: {name of Costs: seconds}"""
    some = tasks[:SAMPLE]
    with stand_ins(os.path.join(folder, "commands")) as queue:
        write_queue(queue, "", [])
        cluster = sweep_slurm.Cluster(site, database, types.SimpleNamespace(
            queue=len(some), task_seconds=options.task_seconds, retries=5, requeue=3, sbatch="",
            poll=options.poll))
        cluster.waiting = list(some)
        with watch("call of sbatch"):
            slurm_queue.command("sbatch", text="#!/bin/sh\n")
        with watch("submit"):
            cluster.submit()
        with watch("empty queue"):
            slurm_queue.in_queue(cluster.id)
        write_queue(queue, cluster.id, cluster.live)
        with watch("full queue"):
            slurm_queue.in_queue(cluster.id)
        write_queue(queue, cluster.id, [])
        with watch("look at none"):
            cluster.look()
        with watch("look at left"):
            for _ in range(sweep_slurm.LOOKS_BEFORE_GONE - 1):
                cluster.look()
    if cluster.live or cluster.waiting:
        raise Refusal("tasks that are done do not leave the queue")
    took, calls = watch.seconds, -(-len(some) // cluster.most)
    return {"sbatch": took["call of sbatch"] + options.controller_seconds,
            "squeue": took["empty queue"] + options.controller_seconds,
            "squeue_line": max(0, took["full queue"] - took["empty queue"]) / len(some),
            "task": max(0, took["submit"] - calls * took["call of sbatch"]) / len(some),
            "task_left": max(0, took["look at left"] - took["look at none"]) / len(some)}
