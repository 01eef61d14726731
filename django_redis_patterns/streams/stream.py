"""A log that groups of consumers read, each group at its own pace."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from redis.exceptions import ResponseError

from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.core.worker.backoff import Backoff, exponential
from django_redis_patterns.exceptions import UnknownGroup

from .consumer import Consumer
from .dead_letters import DeadLetters
from .groups import tend
from .ids import FIRST, LAST, Moment, before, place
from .lag import MOST_COUNTED, Lag, lag_of
from .log import Log
from .pending import PendingEvent, pending_of
from .registry import note, register

LAG = Script("lag.lua", idempotent=True)
REPLAY = Script("replay.lua", idempotent=True)

Handler = TypeVar("Handler", bound=Callable[..., Any])


class Stream(Log):
    """An event log: ``orders = Stream("orders", retention=timedelta(days=30))``.

    ``retention``: seconds or a timedelta for which everything is kept (the settings' ``RETENTION``). What is older goes
    once every group has acknowledged it. ``maxlen``: at most so many entries, whatever the groups have not read;
    `lag` tells how much that was. Without either it grows for ever. Every call raises `RedisUnavailable` when Redis is
    away.
    """

    def __init__(
        self,
        name: str,
        *,
        retention: float | timedelta | None = None,
        maxlen: int | None = None,
        connection: str | None = None,
    ) -> None:
        super().__init__(name, retention=retention, maxlen=maxlen, connection=connection)
        note(self)

    def consumer(
        self,
        *,
        group: str,
        max_attempts: int = 5,
        backoff: Backoff = exponential(2),  # noqa: B008  it is a frozen value
        dead_letter: bool = True,
        concurrency: int = 8,
        start: Moment = "new",
        batch: int = 1,
        ordered_by: str | None = None,
    ) -> Callable[[Handler], Handler]:
        """Declare a handler, ``def`` or ``async def``, which ``manage.py redis consume`` runs for each event.

        Each group gets every event, and shares them among its consumers: at least once. The handler is given an
        `Event`; with *batch* over 1 a list of up to so many. What it raises is tried again after *backoff* (the error
        and how often it failed, to seconds, or None to give up), at most *max_attempts* times in all, and is then a
        dead letter, or with ``dead_letter=False`` only a line in the log. A batch that fails is run again one by one.

        *concurrency*: how many run at once in a process. *start*: where a new group begins, "new", "beginning", or a
        place as in `read`. *ordered_by*: a key of the data; of the events with the same value there, one is run at a
        time in the whole fleet, in their order, and one that fails keeps only those of its value waiting. A batch is
        then of one value.

        Returns the handler as it is. Raises ValueError for what makes no sense, and for a group that has a handler.
        """

        def declare(handler: Handler) -> Handler:
            declared = Consumer(
                stream=self,
                group=group,
                handler=handler,
                max_attempts=max_attempts,
                backoff=backoff,
                dead_letter=dead_letter,
                concurrency=concurrency,
                start=start,
                batch=batch,
                ordered_by=ordered_by,
            )
            register(declared)
            return handler

        return declare

    def dead(self, group: str) -> DeadLetters:
        """Return the dead letters of *group*: to list, count, redrive or discard."""
        return DeadLetters(self.connection, self.keys, group)

    async def _groups(self, io: IO) -> list[str]:
        """Return the names of the groups that have read from it."""
        try:
            found: Any = await io.redis.xinfo_groups(self.keys.log)
        except ResponseError as error:
            if "no such key" not in str(error):
                raise
            return []
        return sorted(row["name"].decode() for row in found)

    async def _lag(self, io: IO, group: str) -> Lag:
        """Return how far *group* is behind, and each of its consumers. Raises `UnknownGroup`."""
        keys, mine = self.keys, self.keys.of(group)
        places = [keys.log, keys.live, keys.seen, keys.dropped, mine.due, mine.tries, mine.dead]
        told = await io.run(LAG, keys=places, args=[group, MOST_COUNTED])
        if told is None:
            raise UnknownGroup(self.name, group)
        return lag_of(group, told)

    async def _pending(self, io: IO, group: str, count: int = 100) -> list[PendingEvent]:
        """Return the *count* oldest events that *group* was given and has not acknowledged. Raises `UnknownGroup`."""
        try:
            rows: Any = await io.redis.xpending_range(self.keys.log, group, FIRST, LAST, count)
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            raise UnknownGroup(self.name, group) from error
        due = await io.redis.zmscore(self.keys.of(group).due, [row["message_id"] for row in rows]) if rows else []
        return [pending_of(row, moment) for row, moment in zip(rows, due, strict=True)]

    async def _replay(self, io: IO, group: str, since: Moment) -> None:
        """Give *group* again what is in the log *since* (as in `read`), in its order. Raises `UnknownGroup`.

        What runs while this is called runs to its end, beside its repetition.
        """
        keys, mine = self.keys, self.keys.of(group)
        places = [keys.log, keys.checkpoints, mine.due, mine.tries, mine.lanes, mine.stirred]
        if not await io.run(REPLAY, keys=places, args=[group, before(await place(io, since))]):
            raise UnknownGroup(self.name, group)

    async def _remove_consumer(self, io: IO, group: str, name: str) -> None:
        """Remove the consumer *name* of *group*: what it had is run by others, at once."""
        await tend(io, self.keys, group, dead=[name])

    groups, agroups = both(_groups)
    lag, alag = both(_lag)
    pending, apending = both(_pending)
    replay, areplay = both(_replay)
    remove_consumer, aremove_consumer = both(_remove_consumer)
