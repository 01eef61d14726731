"""A worker's child, move by move."""

import itertools
import time

from asgiref.sync import async_to_sync

from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.core.worker.lease import hold
from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.moves import Taker, release, step_once
from django_redis_patterns.queues.tasks.running import TaskJob

_tokens = map(str, itertools.count(1))


class Child:
    """A child *name* at work on one queue."""

    def __init__(self, name: str, queue: str = "default") -> None:
        self.name, self.queue = name, queue
        self.place = Queue(queue).place

    def take(self) -> TaskJob:
        """Claim the next task, which may have to become due."""
        hold(self.place.connection, self.place.keys.live, [self.name], 60)
        until = time.monotonic() + 20
        while not (claims := step_once(self.place, Taker(self.name, next(_tokens)), (), 1, 0).claims):
            assert time.monotonic() < until, "There is nothing to take."
            time.sleep(0.001)
        return TaskJob(claims[0], self.queue, self.name)

    def run(self, job: TaskJob | None = None) -> TaskJob:
        """Run a task, the next one if none is given, and record its end."""
        job = job or self.take()
        step_once(self.place, Taker(self.name), [job.end(_ran(job))], 0, 0)
        return job

    def die(self) -> None:
        """Be dead, and let somebody find that out."""
        release(self.place, [self.name])
        step_once(self.place, Taker("undertaker"), (), 0, 0)


def _ran(job: TaskJob) -> Done:
    async def awaited() -> bytes:
        return await job.run()

    try:
        return Done(job, async_to_sync(awaited)() if job.is_async else job.run())
    except BaseException as error:
        return Done(job, error=error)
