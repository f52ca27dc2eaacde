"""Doing a plan: from the file to a database with an outcome for each of its runs."""

import json
import os
import secrets
import shutil

import machine
import slurm_queue
import sweep_cost
import sweep_db
import sweep_folder
import sweep_jobs
import sweep_local
import sweep_plan
import sweep_report
import sweep_slurm
import sweep_task
from common import Refusal, counted, utc_now
from sweep_db import DONE, FAILED, LOST, WAITING, Database


def check_unbegun(folder, options):
    """A sweep that is there is only gone on with where that is asked for."""
    path = sweep_folder.database_of(folder)
    if options.resume or not sweep_db.begun(path):
        return
    with Database(path) as database:
        counts = database.counts()
    finished = counts[DONE] + counts[FAILED]
    raise Refusal(f"{folder}: {finished} of {counted(sum(counts.values()), 'run')} are there "
                  "already; --resume goes on, --out names another folder")


def check_elsewhere(database, folder, options):
    """What a cluster is still at is not done here, too."""
    if options.engine == "slurm" or not database.tasks("submitted"):
        return
    found, _ = slurm_queue.in_queue(database.get("id"))
    if found and found[0]:
        raise Refusal(f"{folder}: {counted(len(found[0]), 'task')} of it are in Slurm's queue; "
                      "--engine slurm goes on with them, `sweep cancel` ends them")


def prepare(plan, options):
    """(runs, hashes of files)"""
    builds = sweep_jobs.builds_for(plan, options.bin)
    about = (machine.describe_machine()["cpu"] if options.engine == "local"
             else sweep_jobs.ON_A_CLUSTER)
    runs, hashes = sweep_jobs.expand(plan, builds, about)
    if not runs:
        raise Refusal(f"{plan.path}: nothing of it can be run")
    return runs, hashes


def enter(database, plan, runs, hashes, options, settings):
    """Into the database: what is to be done, and with what."""
    about = {"plan": plan.text, "title": plan.title, "curves": str(int(plan.curves)),
             "engine": options.engine, "machine": json.dumps(machine.describe_machine()),
             "build": json.dumps(machine.describe_build(settings))}
    if database.get("id") is None:
        about.update(id=secrets.token_hex(4), started=utc_now())
    database.plan([run.row(hashes) for run in runs], about)


def gather(site, database):
    marks = None if site.engine == "local" else database.finished()
    database.gather(site.outcomes, site.curves, marks)


def do(runs, site, database, options):
    gather(site, database)
    database.try_again()
    finished = database.finished()
    left = [run for run in runs if run.key not in finished]
    if options.engine == "slurm":
        sweep_slurm.do(left, site, database, options)
    else:
        sweep_local.do(left, site, database, options.jobs, options.retries)
    database.give_up(database.keys(WAITING))
    if not database.keys(LOST):
        tidy(site)


def tidy(site):
    """Of a sweep that is complete: traces can be made again."""
    site.traces().remove()
    shutil.rmtree(os.path.join(site.folder, "traces"), ignore_errors=True)


def drive(options):
    if options.engine == "slurm" and not options.dry_run:
        sweep_slurm.check(options)
    settings = machine.make_settings()
    plan = sweep_plan.read(options.plan, settings["algorithms"].split())
    folder = options.out or sweep_folder.of_plan(options.plan)
    if not options.dry_run:
        check_unbegun(folder, options)
    runs, hashes = prepare(plan, options)
    if options.dry_run:
        return sweep_cost.dry_run(plan, runs, options, folder)
    with sweep_folder.driving(folder), \
            Database(sweep_folder.database_of(folder), write=True) as database:
        site = sweep_task.Site(
            os.path.abspath(folder), options.engine, plan.curves, sweep_jobs.need_generate(plan),
            options.stage and os.path.abspath(options.stage),
            {path: hashes.of(path) for path in {run.program for run in runs}})
        if database.get("id") is not None:
            check_elsewhere(database, folder, options)
            gather(site, database)  # also what this plan has no longer
        enter(database, plan, runs, hashes, options, settings)
        try:
            do(runs, site, database, options)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(stopped(database, folder, options)) from None
        return sweep_report.report(database, folder)


def stopped(database, folder, options):
    """What is said of a sweep that did not come to its end."""
    counts, cancelled = database.counts(), sweep_folder.cancelled(folder)
    said = (f"{'cancelled' if cancelled else 'interrupted'}: {counts[DONE] + counts[FAILED]} of "
            f"{counted(sum(counts.values()), 'run')} are finished; --resume goes on")
    if options.engine == "slurm" and not cancelled:
        said += "; what is in the queue stays there, `sweep cancel` ends it"
    return said
