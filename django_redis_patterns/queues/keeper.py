"""Renews the leases of jobs that are taken outside of workers: one thread for all that this process has."""

import logging
import os
import threading
from contextlib import suppress

from redis import RedisError

from django_redis_patterns.core.worker.lease import hold
from django_redis_patterns.exceptions import RedisPatternsError

from .keys import Place

logger = logging.getLogger("django_redis_patterns.queues")


class Keeper:
    """Its thread runs while there is something to renew."""

    def __init__(self) -> None:
        self._guard = threading.Condition()
        self._names: dict[tuple[str, str], dict[str, float]] = {}  # connection and key, to names and their leases
        self._thread: threading.Thread | None = None

    def keep(self, place: Place, name: str, lease: float) -> None:
        """Hold the lease of *name*, which has just begun, until it is dropped."""
        with self._guard:
            self._names.setdefault((place.connection, place.keys.live), {})[name] = lease
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="queues-keeper", daemon=True)
                self._thread.start()
            self._guard.notify()

    def drop(self, place: Place, name: str) -> None:
        """Let it end."""
        with self._guard:
            at = (place.connection, place.keys.live)
            self._names.get(at, {}).pop(name, None)
            if not self._names.get(at):
                self._names.pop(at, None)

    def _work(self) -> None:
        while self._waits():
            with self._guard:
                now = [(*at, list(names), max(names.values())) for at, names in self._names.items()]
            for alias, live, names, lease in now:
                with suppress(RedisPatternsError, RedisError):  # it is tried again in time, or the fence tells
                    hold(alias, live, names, lease)

    def _waits(self) -> bool:
        """Wait until leases have run for a third; returns False when there are none."""
        with self._guard:
            shortest = min((lease for names in self._names.values() for lease in names.values()), default=0.0)
            if not shortest:
                self._thread = None
                return False
            self._guard.wait(shortest / 3)
            return True


keeper = Keeper()


def _start_anew() -> None:
    """A forked child has none of its parent's jobs."""
    keeper.__init__()  # type: ignore[misc]


os.register_at_fork(after_in_child=_start_anew)
