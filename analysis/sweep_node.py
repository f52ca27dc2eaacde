"""What runs on a node of a cluster: `sweep task`, that the arrays of sweep_slurm.py are made of.

Beside the list of its runs a task leaves TASK.run, the key of the run under way, TASK.again, the
keys of those that it does again (see _drop_broken_turns), and TASK.unfit, its node's name, where
runs ended that may do better on another. In the folder of all lists, `staged` has a file for each
node on whose disk there may be copies of traces."""

import contextlib
import json
import os

from common import Parser, Refusal, written_aside
from measure import Passing
from schedule import Schedule
from sweep_jobs import Run
from sweep_records import read_record, remove_record
from sweep_task import Site, TaskStore


def staged_path(site, host=""):
    return os.path.join(site.folder, "tasks", "staged", host)


def staged_on(site):
    """Hosts that may have copies of traces on their disks."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(os.listdir(staged_path(site)))
    return []


def _tell_staged(site, host):
    os.makedirs(staged_path(site), exist_ok=True)
    with open(staged_path(site, host), "ab"):
        pass


def _host_of(site, run):
    """That has done it; None where nobody has."""
    record = read_record(os.path.join(site.outcomes, f"{run.key}.json"), run.key)
    return record and record["where"].get("host")


def _drop_broken_turns(site, runs, host, told):
    """Times are compared within a node, and a turn is done within one: of a turn that was broken
    off on another node what there is goes, after the file `told` has its keys."""
    turns, dropped = {}, []
    for run in runs:
        turns.setdefault(run.turn, []).append(run)
    for turn in turns.values():
        hosts = {run.key: _host_of(site, run) for run in turn}
        if None in hosts.values() and set(hosts.values()) - {None, host}:
            dropped += [key for key, where in hosts.items() if where is not None]
    if dropped:
        with open(told, "a", encoding="utf-8") as out:
            out.writelines(f"{key}\n" for key in dropped)
    for key in dropped:
        remove_record(site.outcomes, key)


def _listed(path):
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        return found, Site(**found["site"])
    except (OSError, ValueError, KeyError, TypeError):
        raise Refusal(f"{path}: this is no list of runs") from None


def task(arguments):
    """The command that a task is."""
    parser = Parser(prog="sweep task", description="What a task of an array does; sweep itself "
                    "starts it.")
    parser.add_argument("lists", metavar="PATH", help="the folder of the submission's lists")
    parser.add_argument("--clean", action="store_true",
                        help="remove what was copied to this node's disk; PATH is a file")
    options = parser.parse_args(arguments)
    if options.clean:
        return _clean(options.lists)
    number = os.environ.get("SLURM_ARRAY_TASK_ID", "")
    if not number.isdigit():
        raise Refusal("SLURM_ARRAY_TASK_ID is not set: this is for tasks of an array")
    _do(os.path.join(options.lists, number))
    return 0


def _clean(path):
    _, site = _listed(path)
    store = TaskStore(site)
    store.traces.remove()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(staged_path(site, store.node["host"]))
    return 0


def _do(path):
    found, site = _listed(f"{path}.json")
    restarts = int(os.environ.get("SLURM_RESTART_COUNT") or 0)
    if restarts > found["requeue"]:
        raise Refusal(f"begun {restarts} times again already: too often")
    runs = [Run.from_json(run) for run in found["runs"]]
    store = TaskStore(site, under_way=f"{path}.run")
    host = store.node["host"]
    print(f"task {os.path.basename(path)} on {host}: {len(runs)} runs, restart {restarts}",
          flush=True)
    if site.stage:
        _tell_staged(site, host)
    if found["timed"] and restarts:
        _drop_broken_turns(site, runs, host, f"{path}.again")
    outcomes = Schedule(store, 1, found["retries"] if found["timed"] else 0).run(runs)
    for run, outcome in outcomes.items():
        if "failure" in outcome:
            print(f"{run.key}: {outcome['failure']}")
    if any(isinstance(outcome.get("failure"), Passing) for outcome in outcomes.values()):
        with written_aside(f"{path}.unfit") as out:
            out.write(host.encode())
