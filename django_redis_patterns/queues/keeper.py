"""Renews the leases of jobs that are taken outside of workers: one thread for all that this process has."""

import os
import threading
import time
from contextlib import suppress
from typing import Protocol
from weakref import WeakSet

from redis import RedisError

from django_redis_patterns.core.worker.lease import hold
from django_redis_patterns.exceptions import RedisPatternsError

from .keys import Place


class Holder(Protocol):
    """Who has a lease, for as long as anybody remembers it."""

    @property
    def place(self) -> Place: ...
    @property
    def name(self) -> str: ...
    @property
    def lease(self) -> float:
        """Seconds."""


class Keeper:
    """Its thread runs while there is something to renew, and for a third of a lease after that."""

    def __init__(self) -> None:
        self._guard = threading.Condition()
        self._holders: WeakSet[Holder] = WeakSet()
        self._shortest = 0.0
        self._thread: threading.Thread | None = None

    def keep(self, holder: Holder) -> None:
        """Renew its lease, which has just begun, until it is dropped, or forgotten."""
        with self._guard:
            self._holders.add(holder)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="queues-keeper", daemon=True)
                self._thread.start()
            elif holder.lease < self._shortest:
                self._guard.notify()

    def drop(self, holder: Holder) -> None:
        """Let it end."""
        with self._guard:
            self._holders.discard(holder)

    def _work(self) -> None:
        while self._waits():
            self._renew()

    def _renew(self) -> None:
        with self._guard:
            holders = list(self._holders)
        for (alias, live), some in _by_place(holders).items():
            with suppress(RedisPatternsError, RedisError):  # it is tried again in time, or the fence tells
                hold(alias, live, [one.name for one in some], max(one.lease for one in some))

    def _waits(self) -> bool:
        """Wait for a third of the shortest lease; returns False when there are none."""
        began = time.monotonic()
        with self._guard:
            while leases := [holder.lease for holder in self._holders]:
                self._shortest = min(leases)
                left = began + self._shortest / 3 - time.monotonic()
                if left <= 0:
                    return True
                self._guard.wait(left)
            self._thread = None
            return False


def _by_place(holders: list[Holder]) -> dict[tuple[str, str], list[Holder]]:
    grouped: dict[tuple[str, str], list[Holder]] = {}
    for holder in holders:
        grouped.setdefault((holder.place.connection, holder.place.keys.live), []).append(holder)
    return grouped


keeper = Keeper()


def _start_anew() -> None:
    """A forked child has none of its parent's jobs."""
    keeper.__init__()  # type: ignore[misc]


os.register_at_fork(after_in_child=_start_anew)
