"""Doing the same with many things, several at a time."""

import concurrent.futures

from measure import children


def side_by_side(work, tasks, workers, progress, label):
    """[work(task) for each task], with a step of progress, named by label(task), for each
    that is done. After an exception in one, no other goes on."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(work, task): task for task in tasks}
        try:
            for done in concurrent.futures.as_completed(running):
                done.result()
                progress.step(label(running[done]))
        except BaseException:
            children.stop()
            pool.shutdown(cancel_futures=True)
            raise
    return [done.result() for done in running]
