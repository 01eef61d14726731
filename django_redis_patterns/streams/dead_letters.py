"""What a group has given up on: listed with the reasons, and run again when that is mended."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.exceptions import SerializationError, UnknownGroup

from .entries import DATA, SERIALIZER
from .history import History
from .ids import time_of
from .keys import Keys

REDRIVE = Script("redrive.lua")
#: Letters of one script.
TOGETHER = 500


class DeadLetter(NamedTuple):
    """An event given up. ``id`` is the letter's own, ``event_id`` the event's; ``data`` None if unreadable."""

    id: str
    event_id: str
    data: Any
    attempts: int
    reason: str

    @property
    def at(self) -> datetime:
        """When it was given up, by the clock of Redis."""
        return time_of(self.id)


class DeadLetters:
    """The dead letters of one group, oldest first: ``for letter in orders.dead("mailers")``, also ``async for``.

    At most about 100,000 are kept, the newest. A slice is a `History` of letters.
    """

    def __init__(self, connection: str, keys: Keys, group: str) -> None:
        self.connection, self._name, self.group = connection, keys.name, group
        self._log, self._dead = keys.log, keys.of(group).dead

    def __iter__(self) -> Iterator[DeadLetter]:
        return iter(self._letters)

    def __aiter__(self) -> AsyncIterator[DeadLetter]:
        return aiter(self._letters)

    def __getitem__(self, part: slice) -> History[DeadLetter]:
        return self._letters[part]

    async def _count(self, io: IO) -> int:
        """Return how many there are."""
        return int(await io.redis.xlen(self._dead))

    async def _redrive(self, io: IO, *ids: str) -> int:
        """Run letters again: those of *ids*, else all. Returns how many.

        Each comes as a new event at the end of the log, with a new id, for this group alone; its attempts count anew.
        Raises `UnknownGroup`.
        """
        done = 0
        async for some in self._some(io, ids):
            args = [self.group, *some]
            redriven = await io.run(REDRIVE, keys=[self._log, self._dead], args=args)
            if redriven is None:
                raise UnknownGroup(self._name, self.group)
            done += redriven
        return done

    async def _discard(self, io: IO, *ids: str) -> int:
        """Throw letters away: those of *ids*, else all. Returns how many."""
        done = 0
        async for some in self._some(io, ids):
            done += await io.redis.xdel(self._dead, *some)
        return done

    count, acount = both(_count)
    redrive, aredrive = both(_redrive)
    discard, adiscard = both(_discard)

    async def _some(self, io: IO, ids: tuple[str, ...]) -> Any:
        """Yield the ids of letters that are there at the start, some at a time."""
        if ids:
            for start in range(0, len(ids), TOGETHER):
                yield ids[start : start + TOGETHER]
            return
        newest: Any = await io.redis.xrevrange(self._dead, count=1)
        while newest and (rows := await io.redis.xrange(self._dead, "-", newest[0][0], TOGETHER)):
            yield [id for id, _ in rows]

    @property
    def _letters(self) -> History[DeadLetter]:
        return History(self.connection, self._dead, _letter)


def _letter(id: bytes, fields: Mapping[bytes, bytes] | None) -> DeadLetter | None:
    if not fields:
        return None
    try:
        data = SERIALIZER.loads(fields[DATA])
    except SerializationError:
        data = None
    event_id, reason = (fields[name].decode("utf-8", "replace") for name in (b"id", b"reason"))
    return DeadLetter(id.decode(), event_id, data, int(fields[b"attempts"]), reason)
