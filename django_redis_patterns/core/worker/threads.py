"""Threads that run ``def`` handlers, each with database connections of its own."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import Context
from queue import Empty, SimpleQueue

from django import db

from .feed import Done, Job

logger = logging.getLogger("django_redis_patterns.worker")


class Threads:
    """At most *most* of them, started when there is work for one more; *ended* is told of each end, by the thread."""

    def __init__(self, name: str, most: int, ended: Callable[[Done], None]) -> None:
        self._name, self._most, self._ended = name, most, ended
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._lock = threading.Lock()
        self._outstanding = 0  # jobs that were put, and have not ended
        self._count = 0  # threads

    def put(self, jobs: Iterable[Job]) -> None:
        """Run *jobs* as soon as threads are free."""
        for job in jobs:
            self._jobs.put(job)
            with self._lock:
                self._outstanding += 1
                if self._outstanding > self._count < self._most:
                    self._count += 1
                    threading.Thread(target=self._work, name=f"{self._name}-{self._count}", daemon=True).start()

    def withdraw(self) -> list[Job]:
        """Return the jobs that no thread has begun, which none will."""
        found: list[Job] = []
        with suppress(Empty):
            while True:
                found.append(self._jobs.get_nowait())
        with self._lock:
            self._outstanding -= len(found)
        return found

    def _work(self) -> None:
        while True:
            self._ended(run_here(self._next()))
            with self._lock:
                self._outstanding -= 1

    def _next(self) -> Job:
        try:
            return self._jobs.get_nowait()
        except Empty:
            job = self._jobs.get()
            refresh()  # nobody knows how long that took
            return job


def run_here(job: Job) -> Done:
    """Run *job* in this thread, in a context of its own."""
    begun = time.monotonic()
    try:
        value = Context().run(job.run)
        return Done(job, value, seconds=time.monotonic() - begun)
    except BaseException as error:  # SystemExit too: a handler may not end the child
        return Done(job, error=error, seconds=time.monotonic() - begun)
    finally:
        refresh()


def refresh() -> None:
    """Do what Django does between requests: close connections that are old or broken, forget what ``DEBUG`` keeps."""
    for connection in db.connections.all(initialized_only=True):
        try:
            connection.queries_log.clear()
            connection.close_if_unusable_or_obsolete()
        except Exception:  # it must not end the thread
            logger.exception("The connection to database %r could not be closed.", connection.alias)
