"""The log itself: appending, reading, and dropping what nobody needs any more."""

import logging
import random
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS

from django_redis_patterns.conf import settings
from django_redis_patterns.core import trace
from django_redis_patterns.core.commit import after_commit_together
from django_redis_patterns.core.operations import IO, both, both_iter
from django_redis_patterns.core.scripts import Script

from .entries import DATA, SERIALIZER, Entry, entry_of
from .history import History
from .ids import Moment, place
from .keys import Keys

APPEND = Script("append.lua")
APPEND_ONCE = Script("append.lua", idempotent=True)
TRIM = Script("trim.lua", idempotent=True)
#: Entries of one script, and of one step of a trim.
TOGETHER = 1000
MOST_TRIMMED = 10_000
#: One append in so many trims, so that a log without consumers does not grow for ever.
SELDOM = 100
#: Seconds that `tail` asks Redis to wait in one go.
PATIENCE = 5.0
#: The least seconds until a group that nobody sees is abandoned.
LEAST_ABSENCE = 86400

logger = logging.getLogger("django_redis_patterns.streams")


@dataclass(frozen=True, eq=False)  # two equal events of one transaction are two events
class Addition:
    """One event on its way: its data as it will be stored, and its idempotency key."""

    data: bytes
    once: str | None = None


class Log:
    """What is appended, in its order. `Stream` is what to use."""

    def __init__(
        self,
        name: str,
        *,
        retention: float | timedelta | None = None,
        maxlen: int | None = None,
        connection: str | None = None,
    ) -> None:
        if not name or (maxlen is not None and maxlen < 1):
            raise ValueError("A stream has a name, and a maxlen of at least 1 if it has one.")
        self.name, self.maxlen = name, maxlen
        self._retention = None if retention is None else _seconds(retention)
        self._connection = connection
        self.keys = Keys(name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    @property
    def connection(self) -> str:
        """The alias of the connection that holds the stream."""
        return self._connection or settings().streams.connection

    @property
    def retention(self) -> float | None:
        """Seconds for which everything is kept; None: for ever."""
        return settings().streams.retention if self._retention is None else self._retention

    async def _append(self, io: IO, data: Any, *, idempotency_key: str | None = None) -> str:
        """Append an event, anything that JSON can hold, and return its id. One trip.

        Raises `SerializationError`, and `RedisUnavailable`: when that is ``ambiguous`` the event may be there. With an
        *idempotency_key* the call may be made again: within a day (``IDEMPOTENCY_TTL``) a second append with the same
        key appends nothing, whatever its data, and returns the id of the first. A lost reply is then asked for again.
        """
        return (await self._add(io, Addition(SERIALIZER.dumps(data), idempotency_key)))[0]

    async def _append_many(self, io: IO, events: Iterable[Any]) -> list[str]:
        """Append *events* in their order and return their ids. Each 1000 are one trip, and are appended all or none.

        Raises as `append`, before anything is sent if one of them cannot be stored.
        """
        return await self._add(io, *(Addition(SERIALIZER.dumps(data)) for data in events))

    def append_on_commit(self, data: Any, *, idempotency_key: str | None = None, using: str = DEFAULT_DB_ALIAS) -> None:
        """Append when the transaction on *using* commits, and not at all on rollback; at once outside of one.

        All of one commit go in one trip, in their order. *data* is taken as it is now: it raises `SerializationError`
        here. When Redis is away at the commit, the commit stands, the events are lost, and the log says so.
        """
        after_commit_together(using, self.add, Addition(SERIALIZER.dumps(data), idempotency_key))

    def read(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        reverse: bool = False,
        count: int | None = None,
    ) -> History[Entry]:
        """Return what is in the log, oldest first or *reverse*, at most *count*: for ``for``, ``async for`` and slices.

        *since* and *until* are included: ids, datetimes, or timedeltas (how long ago, by the clock of Redis). Nothing
        is read before it is needed; a page of 500 is one trip.
        """
        return History(self.connection, self.keys.log, entry_of, since=since, until=until, reverse=reverse, count=count)

    async def _tail(self, io: IO, after: Moment | None = None) -> AsyncGenerator[Entry, None]:
        """Yield what is appended from now on, or *after* a place, and wait for more, for ever.

        On a connection of its own. Raises `RedisUnavailable`; ``tail(after=entry.id)`` goes on from there.
        """
        last = await self._newest(io) if after is None else await place(io, after)
        with io.block(PATIENCE) as waiting:
            while True:
                told: Any = await waiting.redis.xread(
                    {self.keys.log: last}, count=TOGETHER, block=round(PATIENCE * 1000)
                )
                for id, fields in told[0][1] if told else ():
                    last = id.decode()
                    if (entry := entry_of(id, fields)) is not None:
                        yield entry

    async def _count(self, io: IO) -> int:
        """Return how many entries are in the log."""
        return int(await io.redis.xlen(self.keys.log))

    async def _trim(self, io: IO, retention: float | timedelta | None = None) -> int:
        """Drop what is older than *retention* (the stream's own) and not needed by any group; returns how many.

        What a group has not acknowledged stays, unless nobody of that group was there for *retention*, and for a day
        at least: it is abandoned, the log of this site says so, and it holds nothing back.
        """
        seconds = self.retention if retention is None else _seconds(retention)
        if seconds is None:
            raise ValueError(f"{self!r} has no retention: say how old an event has to be, trim(timedelta(days=30)).")
        total = 0
        while dropped := await self._trim_some(io, seconds):
            total += dropped
        return total

    async def _trim_some(self, io: IO, seconds: float) -> int:
        absence = max(seconds, LEAST_ABSENCE)
        args = [round(seconds * 1000), round(absence * 1000), MOST_TRIMMED]
        dropped, *abandoned = await io.run(TRIM, keys=[self.keys.log, self.keys.seen], args=args)
        for group in abandoned:
            trace.count("streams.abandoned")
            logger.warning("%s/%s is abandoned: its unread events are not kept any more.", self.name, group.decode())
        return int(dropped)

    async def _trim_by_the_way(self, io: IO, seconds: float) -> None:
        """Trim a little, and leave an append its reply whatever comes of it."""
        try:
            await self._trim_some(io, seconds)
        except Exception as error:
            trace.count("streams.untrimmed")
            logger.warning("%s was not trimmed: %s", self.name, error)

    async def _add(self, io: IO, *events: Addition) -> list[str]:
        """Append what is packed already."""
        if len(events) == 1 and events[0].once is None and self.maxlen is None:
            return [await self._add_one(io, events[0].data)]
        ids: list[str] = []
        for start in range(0, len(events), TOGETHER):
            ids += await self._add_some(io, events[start : start + TOGETHER])
        return ids

    append, aappend = both(_append)
    append_many, aappend_many = both(_append_many)
    tail = both_iter(_tail)
    count, acount = both(_count)
    trim, atrim = both(_trim)
    add, aadd = both(_add)

    async def _add_one(self, io: IO, data: bytes) -> str:
        adding: Any = io.redis.xadd(self.keys.log, {DATA: data})
        if self.retention is None or random.random() * SELDOM >= 1:
            return cast(bytes, await adding).decode()
        id, _ = await io.gather(adding, self._trim_by_the_way(io, self.retention))
        return cast(bytes, id).decode()

    async def _add_some(self, io: IO, events: Sequence[Addition]) -> list[str]:
        """Append by one script: all or none."""
        once = [self.keys.once(event.once) for event in events if event.once is not None]
        script = APPEND_ONCE if len(once) == len(events) else APPEND
        places = iter(range(1, len(once) + 1))
        packed = [part for event in events for part in (0 if event.once is None else next(places), event.data)]
        args = [self.maxlen or 0, round(settings().streams.idempotency_ttl * 1000), *packed]
        ids = await io.run(script, keys=[self.keys.log, self.keys.dropped, *once], args=args)
        return [id.decode() for id in ids]

    async def _newest(self, io: IO) -> str:
        """Return the id of the newest entry."""
        found: Any = await io.redis.xrevrange(self.keys.log, count=1)
        return found[0][0].decode() if found else "0-0"


def _seconds(duration: float | timedelta) -> float:
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"A retention is seconds or a timedelta, 0 or more: {duration!r}.")
    return seconds
