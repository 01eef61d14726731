"""One consumer's place in a group: what it tells Redis, and what it is given. It knows ids and bytes, no handlers."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from django_redis_patterns.core import trace
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script

from .consumer import Consumer
from .entries import DATA, ONLY_FOR
from .groups import enroll, tell_trimmed, tend

TAKE = Script("take.lua")
TAKE_IN_ORDER = Script("take_in_order.lua")
FINISH = Script("finish.lua", idempotent=True)
#: Events that one consumer may have in hand.
MOST_HELD = 100_000
_LOST = ("NOGROUP", "UNBLOCKED")
_SUSPECT, _LAPSED = 1, 2

logger = logging.getLogger("django_redis_patterns.streams")


class Taken(NamedTuple):
    """One event in hand: with its deliveries, this one included, its failures (-1: none), and its lane ("": none)."""

    id: bytes
    data: bytes
    deliveries: int = 1
    failures: int = -1
    lane: bytes = b""

    @property
    def is_first(self) -> bool:
        """Whether it was never delivered before, and never failed."""
        return self.deliveries == 1 and self.failures < 0


class Record(NamedTuple):
    """How one event ended, in the words of finish.lua."""

    verb: str
    event: Taken
    number: int = 0
    text: str = ""


@dataclass
class Ends:
    """What is to be recorded: events that are done, and others."""

    done: list[Taken] = field(default_factory=list)
    others: list[Record] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.done) + len(self.others)


class Seat:
    """The place of the consumer *name*. For several threads: what it remembers are hints."""

    def __init__(self, consumer: Consumer, name: str) -> None:
        self.consumer, self.name = consumer, name
        self.connection = consumer.stream.connection
        self._field = consumer.ordered_by
        keys = consumer.stream.keys
        mine = keys.of(consumer.group)
        self._keys, self.log, self._wake = keys, keys.log, mine.wake
        self._of_finish = [keys.log, mine.due, mine.tries, mine.dead, mine.lanes, mine.stirred, mine.wake]
        ordered = [] if self._field is None else [mine.lanes, mine.stirred, mine.wake]
        self._of_take = [keys.log, keys.live, mine.due, mine.tries, *ordered]
        self._checkpoint = ""
        #: When something is due, by the clock of this process, as far as was told.
        self.due_at = 0.0
        #: Whether an event waits until this consumer has nothing else in hand; whether it is given nothing.
        self.has_suspects = self.is_lapsed = False
        self._news = ["0-0", "0-0"]

    async def _exchange(
        self, io: IO, ends: Ends, most: int, *, alone: bool = False, cares: bool = False, takes_over: bool = False
    ) -> list[Taken]:
        """Record *ends*, then take at most *most* events: due ones, then new ones. One trip.

        *alone*: nothing else is in hand. *cares*: tend the group first, with what *takes_over* means there.
        """
        steps: list[Any] = []
        if ends:
            steps.append(self._finish(io, ends))
        if cares:
            steps.append(self._tend(io, takes_over))
        if most:
            steps.append(self._take(io, most, alone))
        told = await io.gather(*steps)
        if not most:
            return []
        if told[-1] is None:
            await self._enroll(io)
            told = [await self._take(io, most, alone)]
        taken = self._read(told[-1])
        if ends and not taken:  # a server that did not know the script has recorded them behind the take
            self.due_at = 0.0
        return taken

    async def _listen(self, io: IO, most: int, seconds: float) -> list[Taken]:
        """Wait for new events, and take at most *most*; returns nothing when something else has to be done."""
        milliseconds = max(round(seconds * 1000), 1)
        with io.block(seconds) as waiting:
            try:
                if self._field is not None:
                    where: Any = dict(zip((self.log, self._wake), self._news, strict=True))
                    if await waiting.redis.xread(where, count=1, block=milliseconds):
                        self.due_at = 0.0
                    return []
                told: Any = await waiting.redis.xreadgroup(
                    self.consumer.group, self.name, {self.log: ">"}, count=most, block=milliseconds
                )
            except ResponseError as error:
                if not str(error).startswith(_LOST):
                    raise
                self.due_at = 0.0
                return []
        rows = told[0][1] if told else []
        copies = [id for id, fields in rows if fields.get(ONLY_FOR, self._group) != self._group]
        if copies:
            await io.redis.xack(self.log, self.consumer.group, *copies)
        return [Taken(id, fields.get(DATA, b"")) for id, fields in rows if id not in copies]

    async def _give_back(self, io: IO, held: Sequence[Taken]) -> int:
        """Give back what Redis thinks this consumer has, and what is not *held*; returns how much."""
        known = {(event.id, event.deliveries) for event in held}
        rows = await self._pending(io, "-", "+", MOST_HELD)
        mine = [Taken(row["message_id"], b"", row["times_delivered"]) for row in rows]
        strange = [event for event in mine if (event.id, event.deliveries) not in known]
        if strange:
            await self._finish(io, Ends(others=[Record("back", event) for event in strange]))
            self.due_at = 0.0
        return len(strange)

    async def has(self, io: IO, id: str, deliveries: int) -> bool:
        """Return whether the event is this consumer's since its delivery number *deliveries*."""
        rows = await self._pending(io, id, id, 1)
        return bool(rows) and rows[0]["times_delivered"] == deliveries

    exchange, aexchange = both(_exchange)
    listen, alisten = both(_listen)
    give_back, agive_back = both(_give_back)

    @property
    def _group(self) -> bytes:
        return self.consumer.group.encode()

    async def _pending(self, io: IO, first: str, last: str, count: int) -> Any:
        """Return what Redis says of this consumer's events; nothing when the group is lost."""
        try:
            return await io.redis.xpending_range(self.log, self.consumer.group, first, last, count, self.name)
        except ResponseError as error:
            if not str(error).startswith(_LOST):
                raise
            return []

    async def _finish(self, io: IO, ends: Ends) -> int:
        events = ends.done + [record.event for record in ends.others]
        first, last = _span(events)
        others = [part for verb, event, *rest in ends.others for part in (verb, event.id, event.deliveries, *rest)]
        done = b" ".join(event.id for event in ends.done)
        args = [self.consumer.group, self.name, first, last, done, *others]
        acked, *lost = await io.run(FINISH, keys=self._of_finish, args=args)
        if lost:
            trace.count("streams.fenced", len(lost))
            logger.warning("%s: %d event(s) were another consumer's before they ended.", self.consumer.name, len(lost))
        return int(acked)

    async def _tend(self, io: IO, takes_over: bool) -> None:
        me, group, ordered = self.name, self.consumer.group, self._field is not None
        told = await tend(io, self._keys, group, consumer=me, takes_over=takes_over, ordered=ordered)
        self._checkpoint = told or self._checkpoint

    async def _take(self, io: IO, most: int, alone: bool) -> Any:
        args: list[Any] = [self.consumer.group, self.name, most, int(alone)]
        if self._field is None:
            return await io.run(TAKE, keys=self._of_take, args=args)
        return await io.run(TAKE_IN_ORDER, keys=self._of_take, args=[*args, self._field])

    async def _enroll(self, io: IO) -> None:
        """Make the group, which is new, or was lost with its log."""
        start = await self.consumer.begins_at(io)
        if not await enroll(io, self._keys, self.consumer.group, start, self._checkpoint):
            return
        if self._checkpoint:
            trace.count("streams.healed")
            logger.warning("%s: Redis has lost the group; it goes on after %s.", self.consumer.name, self._checkpoint)
        else:
            logger.info("%s: the group is new.", self.consumer.name)

    def _read(self, told: Any) -> list[Taken]:
        """Return what was taken, and remember the rest of what the script told."""
        next_ms, held, gone, again, ids, lanes, new, *news = told
        self.due_at = time.monotonic() + next_ms / 1000 if next_ms >= 0 else float("inf")
        self.has_suspects, self.is_lapsed = held == _SUSPECT, held == _LAPSED
        self._news = [id.decode() for id in news]
        tell_trimmed(self._keys.name, self.consumer.group, gone)
        before = [Taken(*row) for row in zip(*(again[i::5] for i in range(5)), strict=True)]
        if not lanes:
            return before + [Taken(id, data) for id, data in zip(ids.split(), new, strict=True)]
        rows = zip(ids.split(), new, lanes.split(), strict=True)
        return before + [Taken(id, data, lane=lane) for id, data, lane in rows]


def _span(events: Sequence[Taken]) -> tuple[bytes, bytes]:
    """Return the first and the last millisecond of *events*."""
    milliseconds = {event.id.partition(b"-")[0] for event in events}
    return min(milliseconds, key=int), max(milliseconds, key=int)
