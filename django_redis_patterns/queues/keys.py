"""Where a queue lies in Redis. All its keys share a slot."""

from functools import lru_cache
from typing import NamedTuple

from django_redis_patterns.conf import settings
from django_redis_patterns.core.keys import key

ROOM = "queues"
LONGEST_NAME = 40


class Keys(NamedTuple):
    """Of one queue, in the order in which scripts take them."""

    jobs: str  # HASH: id to record, of every job that has not ended well
    ready: str  # LIST: ids of priority 0, the next one last
    ranked: str  # ZSET: ids of other priorities, the next one first
    later: str  # ZSET: ids to when they are due, in ms
    running: str  # HASH: ids to who has claimed them, the claim's token, and since when
    live: str  # ZSET: who may have claims to the end of their lease, in ms
    suspects: str  # LIST: ids that run alone, as two processes died that had them
    kills: str  # HASH: ids to how many died, and who
    past: str  # HASH: ids to how often they failed, and what is known of that
    wake: str  # LIST: at most one token, for one of those who wait
    paused: str  # STRING: there while nothing may be claimed
    unique: str  # HASH: marks to the ids that have them
    dead: str  # ZSET: ids of dead letters to when they died, in ms
    reasons: str  # HASH: ids of dead letters to why
    waits: str  # HASH: ids to the channels on which their end is awaited


class Place:
    """The queue *name* on *connection*."""

    def __init__(self, name: str, connection: str) -> None:
        self.name, self.connection = name, connection

    @property
    def keys(self) -> Keys:
        """Its keys."""
        return _keys(settings().prefix, self.name)

    @property
    def stem(self) -> str:
        """How the key of each result begins: STRING, what came out of a job; empty for one without a result."""
        return _stem(settings().prefix, self.name)

    def results(self, ids: list[str]) -> list[str]:
        """Return the keys of the results of jobs."""
        stem = self.stem
        return [stem + id for id in ids]

    def stats(self, minute: int) -> str:
        """HASH: what happened in each minute of an hour."""
        return _stats(settings().prefix, self.name, minute // 60)

    def __repr__(self) -> str:
        return f"Place({self.name!r}, {self.connection!r})"


@lru_cache(maxsize=1024)
def _keys(prefix: str, name: str) -> Keys:
    return Keys(*(key(ROOM, name, part) for part in Keys._fields))


@lru_cache(maxsize=1024)
def _stem(prefix: str, name: str) -> str:
    return key(ROOM, name, "result") + ":"


@lru_cache(maxsize=1024)
def _stats(prefix: str, name: str, hour: int) -> str:
    return key(ROOM, name, "stats", str(hour))
