"""Threads that run ``def`` handlers, each with database connections of its own."""

import threading
import time
from collections.abc import Callable, Iterable
from contextvars import Context
from queue import Empty, SimpleQueue

from django import db

from .feed import Done, Job


class Threads:
    """At most *most* of them, started when there is work for one more; *ended* is told of each end, by the thread."""

    def __init__(self, name: str, most: int, ended: Callable[[Done], None]) -> None:
        self._name, self._most, self._ended = name, most, ended
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._count = 0

    def put(self, jobs: Iterable[Job]) -> None:
        """Run *jobs* as soon as threads are free. Called by one thread at a time."""
        for job in jobs:
            self._jobs.put(job)
            if self._count < self._most and not self._idle.acquire(blocking=False):
                self._count += 1
                threading.Thread(target=self._work, name=f"{self._name}-{self._count}", daemon=True).start()

    def withdraw(self) -> list[Job]:
        """Return the jobs that no thread has begun, which none will."""
        found: list[Job] = []
        while True:
            try:
                found.append(self._jobs.get_nowait())
            except Empty:
                return found

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            self._ended(run_here(job))
            self._idle.release()


def run_here(job: Job) -> Done:
    """Run *job* in this thread, in a context of its own, as Django runs a request."""
    begun = time.monotonic()
    refresh()
    try:
        value = Context().run(job.run)
        return Done(job, value, seconds=time.monotonic() - begun)
    except BaseException as error:  # SystemExit too: a handler may not end the child
        return Done(job, error=error, seconds=time.monotonic() - begun)
    finally:
        db.close_old_connections()


def refresh() -> None:
    """Forget the queries that ``DEBUG`` keeps, and close database connections that are old or broken."""
    db.reset_queries()
    db.close_old_connections()
