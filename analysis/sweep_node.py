"""What runs on a node of a cluster: `sweep task`, that the arrays of sweep_slurm.py are made of."""

import json
import os

from common import Parser, Refusal
from schedule import Schedule
from sweep_jobs import Run
from sweep_task import Site, TaskStore


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
        _listed(options.lists)[1].traces().remove()
        return 0
    number = os.environ.get("SLURM_ARRAY_TASK_ID", "")
    if not number.isdigit():
        raise Refusal("SLURM_ARRAY_TASK_ID is not set: this is for tasks of an array")
    path = os.path.join(options.lists, number)
    found, site = _listed(f"{path}.json")
    restarts = int(os.environ.get("SLURM_RESTART_COUNT") or 0)
    if restarts > found["requeue"]:
        raise Refusal(f"begun {restarts} times again already: too often")
    runs = [Run.from_json(run) for run in found["runs"]]
    store = TaskStore(site, under_way=f"{path}.run")
    print(f"task {number} on {store.node['host']}: {len(runs)} runs, restart {restarts}",
          flush=True)
    outcomes = Schedule(store, 1, found["retries"] if found["timed"] else 0).run(runs)
    for run, outcome in outcomes.items():
        if "failure" in outcome:
            print(f"{run.key}: {outcome['failure']}")
    return 0
