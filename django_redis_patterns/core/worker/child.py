"""A child: runs handlers until it is told to stop, or its supervisor is gone."""

import atexit
import logging
import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import NoReturn

from redis import RedisError

from django_redis_patterns.exceptions import RedisPatternsError

from .feed import Workload
from .feeder import Feeder
from .lifeline import Lifeline
from .memory import resident_mb
from .options import Options
from .signals import Signals

#: Seconds between two looks around, and for which what could not be recorded is tried again at the end.
LOOK, LAST_WORDS = 1.0, 5.0

logger = logging.getLogger("django_redis_patterns.worker")


class Child:
    """Its main thread listens: to its supervisor, to signals, and to its feeders."""

    def __init__(self, workload: Workload, options: Options, line: Lifeline) -> None:
        self._workload, self._options, self._line = workload, options, line
        self._name = ""
        self._feeders: list[Feeder] = []
        self._ends_at: float | None = None
        self._has_given_up = False
        self._holds_at = float("inf")
        self._signals = Signals()

    def run(self) -> NoReturn:
        """Work until the end, and end the process."""
        with self._signals:
            while not self._is_over():
                self._listen()
                if self._line.is_cut:
                    self._fend_for_itself()
                if self._ends_at is None and (reason := self._is_worn_out()):
                    logger.info("%s: %s, another will follow.", self._name, reason)
                    self._drain()
                if self._ends_at is not None and time.monotonic() >= self._ends_at and not self._has_given_up:
                    self._give_up()
        self._line.close()
        self._leave()

    def _listen(self) -> None:
        sources: list[Signals | Lifeline] = [self._signals] if self._line.is_cut else [self._signals, self._line]
        ready = select.select(sources, [], [], LOOK if self._ends_at is None else LOOK / 10)[0]
        # What else asks for the end has reached the supervisor too, which decides.
        if self._signals in ready and signal.SIGTERM in self._signals.read():
            self._drain()
        for order in self._line.hear() if self._line in ready else ():
            self._obey(order)

    def _obey(self, order: str) -> None:
        verb, _, name = order.partition(" ")
        if verb == "go" and self._ends_at is None:
            self._begin(name)
        elif verb == "look":
            for feeder in self._feeders:
                feeder.look()
        elif verb == "drain":
            self._drain()
        elif verb == "leave":
            self._drain()
            self._ends_at = time.monotonic()

    def _begin(self, name: str) -> None:
        self._name = name
        lease = self._workload.lease
        self._feeders = [Feeder(feed, lease, self._signals.wake) for feed in self._workload.feeds(name)]
        for feeder in self._feeders:
            feeder.start()

    def _drain(self) -> None:
        if self._ends_at is None:
            self._ends_at = time.monotonic() + self._options.grace
            for feeder in self._feeders:
                feeder.close()

    def _is_worn_out(self) -> str:
        """Return why another should follow, if it should: each gets something done."""
        jobs = sum(feeder.jobs for feeder in self._feeders)
        if self._options.max_jobs is not None and jobs >= self._options.max_jobs:
            return f"has run {jobs} jobs"
        if jobs and self._options.max_rss is not None and (mb := resident_mb()) >= self._options.max_rss:
            return f"fills {mb:.0f} MB"
        return ""

    def _give_up(self) -> None:
        """Give back what still runs: it will run again elsewhere, from its beginning."""
        self._has_given_up = True
        if count := sum(feeder.give_up() for feeder in self._feeders):
            logger.warning("%s: gave back %d that had not ended in time.", self._name, count)

    def _is_over(self) -> bool:
        if self._ends_at is None:
            return False
        is_empty = all(feeder.is_empty for feeder in self._feeders)
        return is_empty or time.monotonic() > self._ends_at + LAST_WORDS

    def _fend_for_itself(self) -> None:
        """Without a supervisor: hold the own lease, and come to an end."""
        if self._holds_at == float("inf"):
            logger.warning("%s: the supervisor is gone; finishing what has begun.", self._name or "a child")
            self._holds_at = 0.0
            self._drain()
        if self._name and time.monotonic() >= self._holds_at:
            self._holds_at = time.monotonic() + self._workload.lease / 3
            with suppress(RedisPatternsError, RedisError):
                self._workload.hold([self._name], self._workload.lease)

    def _leave(self) -> NoReturn:
        if not all(feeder.is_empty for feeder in self._feeders):
            logger.error("%s: some ends could not be recorded: what they belong to runs again.", self._name)
        with suppress(RedisPatternsError, RedisError):
            for feeder in self._feeders:
                feeder.leave()
            if self._name:  # so that a take that waits still takes nothing
                self._workload.release([self._name])
        # Threads that are at something still, a handler's or a blocked take, must not go on, nor keep the process.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
