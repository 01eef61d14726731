"""How often what happened: counted in the process, and sent along with commands that are sent anyway."""

import os
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any

from django_redis_patterns.conf import settings
from django_redis_patterns.core.keys import key
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.exceptions import RedisPatternsError

TALLY = Script("tally.lua")

#: Seconds between two commands with the counts of one function, unless a value is stored anyway.
EVERY = 10.0
#: Milliseconds for which counts are kept after the last one.
LIFE = 30 * 24 * 3600 * 1000


@dataclass(frozen=True)
class Stats:
    """What happened in the whole fleet, as far as processes have told.

    ``hits`` were served from Redis, ``near`` from copies in the process, ``stale`` while the value was made anew.
    ``calls`` are those of the function itself, ``waits`` those who were spared one by waiting. ``errors`` are calls
    that raised, ``rescued`` those for which an old value was served. ``refused`` results were not stored, being older
    than an invalidation or late. ``bypassed`` calls were made by transactions with changes of their own, ``away`` ones
    without Redis.
    """

    hits: int = 0
    near: int = 0
    stale: int = 0
    calls: int = 0
    waits: int = 0
    errors: int = 0
    rescued: int = 0
    refused: int = 0
    bypassed: int = 0
    away: int = 0


class Tally:
    """The counts of one function that were not told yet. ``tell`` is part of another operation."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.begin()

    def begin(self) -> None:
        """Count from nothing."""
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._told_at = time.monotonic()

    def count(self, what: str, by: int = 1) -> None:
        """Add to a field of `Stats`."""
        with self._lock:
            self._counts[what] += by

    @property
    def is_due(self) -> bool:
        """Whether it is time to tell."""
        return bool(self._counts) and time.monotonic() - self._told_at > EVERY

    async def tell(self, io: IO) -> None:
        """Send the counts; what is lost on the way is lost."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            self._told_at = time.monotonic()
        words = [word for what, by in counts.items() for word in (f"{self._name} {what}", by)]
        with suppress(RedisPatternsError):
            await io.run(TALLY, [_stats_key()], [LIFE, *words])

    def own(self) -> Counter[str]:
        """Return what was not told yet."""
        with self._lock:
            return Counter(self._counts)


_tallies: dict[str, Tally] = {}


def tally(name: str) -> Tally:
    """Return the tally of the function *name*."""
    return _tallies.get(name) or _tallies.setdefault(name, Tally(name))


def begin_anew() -> None:
    """Count everything from nothing."""
    for one in _tallies.values():
        one.begin()


os.register_at_fork(after_in_child=begin_anew)


async def _all_stats(io: IO, alias: str | None = None) -> dict[str, Stats]:
    """Return the statistics of all functions by name, with what this process has not told yet. One trip."""
    redis: Any = io.on(alias or settings().caching.connection).redis
    told = await redis.hgetall(_stats_key())
    found: dict[str, Counter[str]] = {}
    for field, number in told.items():
        name, _, what = field.decode().rpartition(" ")
        found.setdefault(name, Counter())[what] += int(number)
    for name, mine in list(_tallies.items()):
        if own := mine.own():
            found[name] = found.get(name, Counter()) + own
    known = {field.name for field in fields(Stats)}
    return {
        name: Stats(**{what: number for what, number in counts.items() if what in known})
        for name, counts in sorted(found.items())
    }


all_stats, aall_stats = both(_all_stats)


def _stats_key() -> str:
    return key("caching", "all functions", "stats")
