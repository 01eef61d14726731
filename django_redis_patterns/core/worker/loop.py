"""The event loop of a child, and the places on it where ``async def`` handlers run."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache

from asgiref.sync import SyncToAsync, ThreadSensitiveContext

from .feed import Done, Job
from .threads import refresh


@cache
def loop() -> asyncio.AbstractEventLoop:
    """Return the loop of this process; the first call starts it, in a thread of its own."""
    new = asyncio.new_event_loop()
    threading.Thread(target=new.run_forever, name="worker-loop", daemon=True).start()
    return new


class Places:
    """*most* places; *ended* is told of each end, by the loop's thread.

    Each place is a thread-sensitive context of its own, which outlives its jobs: so handlers share no database
    connection while they run, and one whose ORM calls need a thread finds it there.
    """

    def __init__(self, most: int, ended: Callable[[Done], None]) -> None:
        self._most, self._ended = most, ended
        self._jobs: deque[Job] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def put(self, jobs: Iterable[Job]) -> None:
        """Run *jobs* as soon as places are free. Called by one thread at a time."""
        self._jobs.extend(jobs)
        loop().call_soon_threadsafe(self._wake)

    def withdraw(self) -> list[Job]:
        """Return the jobs that have not begun, which they will not."""
        found: list[Job] = []
        with suppress(IndexError):
            while True:
                found.append(self._jobs.popleft())
        return found

    def _wake(self) -> None:
        for _ in range(len(self._jobs)):
            if self._idle:
                self._idle.pop().set_result(None)
            elif len(self._tasks) < self._most:
                self._tasks.append(loop().create_task(self._work()))

    async def _work(self) -> None:
        async with ThreadSensitiveContext() as mine:
            while True:
                job = await self._next()
                self._ended(await asyncio.create_task(_run(job)))
                if (thread := SyncToAsync.context_to_thread_executor.get(mine)) is not None:  # and connections there
                    thread.submit(refresh)  # before anything that the next job does there

    async def _next(self) -> Job:
        while True:
            try:
                return self._jobs.popleft()
            except IndexError:
                work = asyncio.get_running_loop().create_future()
                self._idle.append(work)
                await work


async def _run(job: Job) -> Done:
    """Run *job* in this task, whose context is its own."""
    begun = time.monotonic()
    try:
        value = await job.run()
        return Done(job, value, seconds=time.monotonic() - begun)
    except BaseException as error:  # a cancellation too: it came from the handler
        return Done(job, error=error, seconds=time.monotonic() - begun)
