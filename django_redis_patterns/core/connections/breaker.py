"""Spares callers the wait for a Redis that does not answer."""

import logging
import os
import random
import threading
import time
from functools import cache

from django_redis_patterns.core import trace
from django_redis_patterns.exceptions import RedisUnavailable

#: Calls in a row without an answer, after which others fail at once.
PATIENCE = 3
#: Seconds until the next call tries again, drawn anew each time so that processes spread out.
PAUSE = (0.5, 1.0)

logger = logging.getLogger("django_redis_patterns.connections")


class Breaker:
    """One alias' breaker (M. Nygard, "Release It!"), for all threads and event loops of the process.

    Open, it refuses calls but for one in each pause, which tries. What that one hears decides.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._lock = threading.Lock()
        self._silent = 0
        self._until: float | None = None
        self._opened = 0.0

    def refusal(self) -> RedisUnavailable | None:
        """Return why a call fails at once, None if it may go ahead."""
        if self._until is None:
            return None
        with self._lock:
            now = time.monotonic()
            if self._until is None:
                return None
            if now >= self._until:
                self._until = now + random.uniform(*PAUSE)
                return None
            reason = f"it has not answered for {now - self._opened:.1f} s, and is asked again in a moment"
        return RedisUnavailable(self._alias, reason, ambiguous=False)

    def answered(self) -> None:
        """A call was answered."""
        if not self._silent:
            return
        with self._lock:
            self._silent = 0
            was_open, self._until = self._until is not None, None
        if was_open:
            logger.warning(
                "Redis connection %r answers again after %.1f s.", self._alias, time.monotonic() - self._opened
            )

    def silent(self, reason: object) -> None:
        """A call was not answered."""
        with self._lock:
            self._silent += 1
            if self._silent < PATIENCE:
                return
            now = time.monotonic()
            opens = self._until is None
            self._until = now + random.uniform(*PAUSE)
            if opens:
                self._opened = now
        if opens:
            trace.count("connections.opened")
            logger.warning("Redis connection %r does not answer; calls fail at once: %s", self._alias, reason)


@cache
def breaker(alias: str) -> Breaker:
    """Return the breaker of *alias*."""
    return Breaker(alias)


os.register_at_fork(after_in_child=breaker.cache_clear)
