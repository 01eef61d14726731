"""Tasks run here and now: for tests."""

import secrets
from typing import Any

from asgiref.sync import async_to_sync

from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.queues.moves import End, Taker, step_once

from .backend import RedisBackend
from .framework import task_backends
from .running import TaskJob
from .stored import AnyResult

LEASE = 60.0


def run_tasks(*queues: str, backend: str = "default") -> list[AnyResult]:
    """Run what waits in *queues* (all that the backend names), and what that enqueues, in this thread.

    Returns the results, in the order in which they were run. Everything is recorded as by a worker; what has failed and
    is to be tried again stays until it is due. What raises in a task does not come through, but a Ctrl-C does. Raises
    ValueError when it cannot know what to run.
    """
    from_settings: Any = task_backends[backend]
    if not isinstance(from_settings, RedisBackend):
        raise ValueError(f"TASKS[{backend!r}] is no RedisBackend: nothing of it waits.")
    names = queues or sorted(from_settings.queues)
    if not names:
        raise ValueError(f"TASKS[{backend!r}] names no queues: name those to run, such as run_tasks('default').")
    results: list[AnyResult] = []
    while ran := [result for name in names for result in _drain(from_settings, name)]:
        results += ran
    return results


def _drain(backend: Any, queue: str) -> list[AnyResult]:
    results: list[AnyResult] = []
    ends: list[End] = []
    name = f"burst.{secrets.token_urlsafe(9)}"
    for number in range(1_000_000):
        taker = Taker(f"{name}.{number}", lease=LEASE)
        if ends:  # each take has a name of its own, by which its end is known
            before = Taker(f"{name}.{number - 1}", ends_lease=True)
            step_once(backend.queue(queue).place, before, ends, 0, 0)
        found = step_once(backend.queue(queue).place, taker, (), 1, 0)
        if not found.claims:
            break
        job = TaskJob(found.claims[0], queue, taker.name)
        ends = [job.end(_ran(job))]
        results += [job.result] if job.result is not None else []
    return results


def _ran(job: TaskJob) -> Done:
    try:
        return Done(job, async_to_sync(_awaited)(job) if job.is_async else job.run())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too, as in a worker
        return Done(job, error=error)


async def _awaited(job: TaskJob) -> Any:
    return await job.run()
