"""Slurm's commands: what is in the queue of a sweep's tasks.

Arrays are found by their names, made from the sweep's id and the submission's number, which the
database has before sbatch is called: a driver that is killed between the two finds its array
again."""

import re
import subprocess

from common import Refusal

DEFAULT_MOST_IN_ARRAY = 1001  # MaxArraySize where a cluster does not say
COMMAND_SECONDS = 120


def command(*words, text=None):
    """(what it printed, None) or (None, why not)."""
    try:
        done = subprocess.run(words, input=text, capture_output=True, text=True,
                              timeout=COMMAND_SECONDS,
                              **({} if text else {"stdin": subprocess.DEVNULL}))
    except OSError as problem:
        return None, problem.strerror
    except subprocess.TimeoutExpired:
        return None, f"no answer within {COMMAND_SECONDS} s"
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        return None, (re.sub(r"^\w+: error: ", "", said[-1]) if said
                      else f"exit status {done.returncode}")
    return done.stdout, None


def most_in_array():
    said, _ = command("scontrol", "show", "config")
    for line in (said or "").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "MaxArraySize" and value.strip().isdigit():
            return max(1, int(value))
    return DEFAULT_MOST_IN_ARRAY


# ---- the queue

def name_of(sweep_id, submission):
    return f"kma-{sweep_id}-{submission}"


def in_queue(sweep_id):
    """({(submission, task): state}, {submission: number of its array}), or (None, why). An array
    of which nothing has begun is in the queue with all of its tasks."""
    said, why = command("squeue", "--me", "--noheader", "--array",
                         "--format=%j|%F|%K|%T")
    if why is not None:
        return None, why
    states, arrays = {}, {}
    for line in said.splitlines():
        name, array, task, state = line.strip().split("|")
        mine, _, submission = name.rpartition("-")
        if mine == f"kma-{sweep_id}" and submission.isdigit() and task.isdigit():
            states[int(submission), int(task)] = state
            arrays[int(submission)] = array
    return (states, arrays), None


def cancel_all(sweep_id):
    """Takes all tasks of the sweep out of the queue. Returns how many there were."""
    found, why = in_queue(sweep_id)
    if why is not None:
        raise Refusal(f"squeue: {why}")
    states, arrays = found
    if arrays:
        _, why = command("scancel", *sorted(arrays.values()))
        if why is not None:
            raise Refusal(f"scancel: {why}")
    return len(states)
