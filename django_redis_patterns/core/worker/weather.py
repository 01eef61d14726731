"""Whether Redis can be reached, as one feed finds out; said once when it goes, and once when it is back."""

import logging
import time

from redis import RedisError

from django_redis_patterns.core import trace
from django_redis_patterns.exceptions import RedisPatternsError

from .backoff import exponential

PAUSES = exponential(0.1, max=3.0)

logger = logging.getLogger("django_redis_patterns.worker")


class Weather:
    """What the feed *name* has met so far."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._failures = 0
        self._began = 0.0
        self._cleared_at: float | None = None

    def failed(self, error: Exception) -> float:
        """Note that a call failed; returns how many seconds to wait before the next."""
        self._failures += 1
        trace.count("worker.step_failed")
        if not isinstance(error, RedisPatternsError | RedisError):
            logger.error("%s: a step failed.", self._name, exc_info=error)
        elif self._failures == 1:
            self._began = time.monotonic()
            logger.warning("%s: %s Trying again until it is back.", self._name, error)
        return PAUSES.after(self._failures)

    def succeeded(self) -> None:
        """Note that a call did not fail."""
        if self._failures:
            self._failures = 0
            self._cleared_at = time.monotonic()
            logger.warning("%s: back after %.1f s.", self._name, self._cleared_at - self._began)

    def is_settled(self, lease: float) -> bool:
        """Return whether whoever lives has had the time to renew its lease since the last outage."""
        return self._cleared_at is None or time.monotonic() - self._cleared_at > lease
