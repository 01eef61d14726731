"""The queue: push, take, look, and change one's mind."""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS

from django_redis_patterns.conf import settings
from django_redis_patterns.core.commit import after_commit_of
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.core.worker.backoff import Backoff

from .arguments import (
    MOST,
    checked_attempts,
    checked_backoff,
    checked_count,
    checked_id,
    checked_ids,
    checked_items,
    checked_name,
)
from .delays import BACKOFF
from .durations import Duration, seconds
from .keys import Place
from .letters import Letter, Waiting, letter, waiting
from .moves import NOBODY, push, step
from .records import SERIALIZER, Entry, checked_priority, record, whole
from .stats import Minute, Stats, history, read
from .take import Job, Take
from .workers import Worker, workers

PEEK = Script("peek.lua", idempotent=True)
POSITION = Script("position.lua", idempotent=True)
REMOVE = Script("remove.lua")
REPRIORITIZE = Script("reprioritize.lua", idempotent=True)
RETRY = Script("retry.lua")
DISCARD = Script("discard.lua")
LETTERS = Script("letters.lua", idempotent=True)
PURGE = Script("purge.lua")
RESUME = Script("resume.lua")
WORKERS = Script("workers.lua", idempotent=True)


class Queue:
    """Jobs in the order in which they came; those of a higher ``priority`` (-100 to 100) first.

    A job that fails runs again after ``backoff(error, attempt)`` seconds, and is a dead letter after ``max_attempts``
    (5, or what ``REDIS_PATTERNS["QUEUES"]`` says), or when the backoff returns None. Jobs are what JSON can hold.

    At least once: a job leaves Redis when it is acked, and not before. Every call is one trip where nothing else is
    said, and raises `RedisUnavailable` when Redis is away.
    """

    def __init__(
        self,
        name: str,
        *,
        max_attempts: int | None = None,
        backoff: Backoff | None = None,
        connection: str | None = None,
    ) -> None:
        self.name = checked_name(name)
        self.backoff: Backoff = checked_backoff(backoff) or BACKOFF
        self._max_attempts, self._connection = checked_attempts(max_attempts), connection

    def __repr__(self) -> str:
        return f"<Queue {self.name!r}>"

    @property
    def connection(self) -> str:
        """The alias of the connection that keeps it."""
        return self._connection or settings().queues.connection

    @property
    def max_attempts(self) -> int:
        """After how many failures a job is a dead letter."""
        return self._max_attempts or settings().queues.max_attempts

    @property
    def place(self) -> Place:
        """Where it lies."""
        return Place(self.name, self.connection)

    async def _add(self, io: IO, *entries: Entry) -> list[str]:
        """Push what is ready to be stored; returns the ids under which it is there. Any number of times is once."""
        others = await push(io, self.place, entries)
        return [other or entry.id for entry, other in zip(entries, others, strict=True)]

    async def _push(
        self,
        io: IO,
        data: Any,
        *,
        delay: Duration = 0,
        priority: int = 0,
        id: str | None = None,
        unique: str | None = None,
    ) -> str:
        """Push *data*, to be taken in *delay* seconds at the earliest; returns its id.

        With an *id* of your own, pushing again changes nothing while the job is there, and for 10 seconds after it was
        acked. With *unique* nothing is pushed while another job of the queue has the same text, and its id is returned.
        A reply that is lost pushes nothing twice. Raises `SerializationError` for what JSON cannot hold.
        """
        return (await self._add(io, self._entry(data, delay, priority, id, unique)))[0]

    async def _push_many(self, io: IO, items: Iterable[Any], *, delay: Duration = 0, priority: int = 0) -> list[str]:
        """Push each of *items*; returns their ids, in the order of the items, in which they will be taken.

        One trip, and a command for each 200. Each command is atomic, all of them are not. Raises `SerializationError`.
        """
        return await self._add(io, *(self._entry(data, delay, priority) for data in checked_items(items)))

    def push_on_commit(
        self,
        data: Any,
        *,
        delay: Duration = 0,
        priority: int = 0,
        id: str | None = None,
        using: str = DEFAULT_DB_ALIAS,
    ) -> str:
        """Push when the transaction on the database *using* commits, at once outside of one; returns the id.

        When Redis is away at the commit, the job is lost, with a line in the log.
        """
        entry = self._entry(data, delay, priority, id)
        after_commit_of(using, self.add, entry)
        return entry.id

    def take(self, *, wait: Duration = 0) -> "Take[Job | None]":
        """Return a context manager that takes the next job, or None when there is none within *wait* seconds.

            with queue.take(wait=5) as job: ...        # also `async with`

        At its end the job is acked; on an exception it is nacked; when the program is told to stop, it is given back.
        A thread renews its lease meanwhile. Raises `JobLost` at the end when that had run out, since Redis was away, or
        this process stood still, for longer than ``LEASE``: then somebody else may have run the job, too.
        """
        return Take(self, 1, seconds(wait, "wait"), False)

    def take_many(self, count: int, *, wait: Duration = 0) -> "Take[list[Job]]":
        """Do the same with a list of at most *count* jobs, up to 1000; empty when there is none.

        The end of the block ends those that the block has neither acked nor nacked.
        """
        return Take(self, checked_count(count), seconds(wait, "wait"), True)

    async def _peek(self, io: IO, count: int = 10) -> list[Waiting]:
        """Return the next *count* jobs that wait, 1 to 1000, in their order; what is not due yet does not wait."""
        keys = self.place.keys
        flat = await self._tidy(io, PEEK, [keys.jobs, keys.ready, keys.ranked, keys.suspects], [checked_count(count)])
        return [waiting(*flat[at : at + 2]) for at in range(0, len(flat), 2)]

    async def _position(self, io: IO, id: str) -> int | None:
        """Return the place of a job that waits, 1 for the next; None for any other. Looks through a long queue."""
        keys = self.place.keys
        before = await self._tidy(io, POSITION, [keys.ready, keys.ranked, keys.suspects], checked_ids([id]))
        return None if before is None else int(before) + 1

    async def _reprioritize(self, io: IO, id: str, priority: int) -> bool:
        """Give a job that waits another priority, behind those that have it; returns whether it waits."""
        keys, args = self.place.keys, [*checked_ids([id]), checked_priority(priority)]
        own = [keys.jobs, keys.ready, keys.ranked, keys.later, keys.wake]
        return bool(await io.run(REPRIORITIZE, keys=own, args=args))

    async def _remove(self, io: IO, *ids: str) -> int:
        """Remove jobs that wait, at most 1000; returns how many that were. Looks through a long queue."""
        return sum(await io.run(REMOVE, keys=self._waiting_keys(), args=checked_ids(ids))) if ids else 0

    async def _purge(self, io: IO) -> int:
        """Remove all jobs that wait, a thousand a trip; returns how many. What runs goes on, dead letters stay."""
        removed = 0
        while count := await io.run(PURGE, keys=self._waiting_keys(), args=[MOST]):
            removed += int(count)
        return removed

    async def _dead(self, io: IO, count: int = 10) -> list[Letter]:
        """Return the last *count* dead letters, at most 1000, the last one first."""
        keys = self.place.keys
        flat = await io.run(LETTERS, keys=[keys.jobs, keys.past, keys.dead, keys.reasons], args=[checked_count(count)])
        return [letter(*flat[at : at + 5]) for at in range(0, len(flat), 5)]

    async def _retry(self, io: IO, *ids: str) -> int:
        """Let dead letters run again, at most 1000, with all their attempts; returns how many that were.

        One stays dead while another job has its unique text.
        """
        if not ids:
            return 0
        keys = self.place.keys
        own = [keys.jobs, keys.later, keys.kills, keys.past, keys.unique, keys.dead, keys.reasons, keys.wake]
        return sum(await io.run(RETRY, keys=own, args=checked_ids(ids)))

    async def _discard(self, io: IO, *ids: str) -> int:
        """Remove dead letters, at most 1000, and results of tasks with them; returns how many that were."""
        keys = self.place.keys
        own = [keys.jobs, keys.kills, keys.past, keys.dead, keys.reasons]
        return sum(await io.run(DISCARD, keys=own, args=checked_ids(ids))) if ids else 0

    async def _pause(self, io: IO) -> None:
        """Let nothing more be taken until `resume`; what runs goes on, and pushing too."""
        await io.redis.set(self.place.keys.paused, 1)

    async def _resume(self, io: IO) -> bool:
        """Let jobs be taken again; returns whether it was paused."""
        return bool(await io.run(RESUME, keys=[self.place.keys.paused, self.place.keys.wake], args=[]))

    async def _stats(self, io: IO) -> Stats:
        """Return how many jobs are where."""
        return cast(Stats, (await io.gather(self._look_after(io), read(io, self.place)))[1])

    async def _workers(self, io: IO) -> list[Worker]:
        """Return who is at work on it, and at what."""
        keys = self.place.keys
        return workers(*await io.run(WORKERS, keys=[keys.live, keys.running, keys.jobs], args=[]))

    async def _history(self, io: IO, minutes: int = 60) -> list[Minute]:
        """Return what happened in each of the last *minutes*, at most a day, the present one last."""
        return await history(io, self.place, max(1, min(whole(minutes, "minutes"), 24 * 60)))

    add, aadd = both(_add)
    push, apush = both(_push)
    push_many, apush_many = both(_push_many)
    peek, apeek = both(_peek)
    position, aposition = both(_position)
    reprioritize, areprioritize = both(_reprioritize)
    remove, aremove = both(_remove)
    purge, apurge = both(_purge)
    dead, adead = both(_dead)
    retry, aretry = both(_retry)
    discard, adiscard = both(_discard)
    pause, apause = both(_pause)
    resume, aresume = both(_resume)
    stats, astats = both(_stats)
    history, ahistory = both(_history)
    workers, aworkers = both(_workers)

    def _entry(
        self, data: Any, delay: Duration, priority: int, id: str | None = None, unique: str | None = None
    ) -> Entry:
        due = str(round(seconds(delay, "delay") * 1000))
        return Entry(checked_id(id), record(SERIALIZER.dumps(data), priority, unique), due)

    async def _look_after(self, io: IO) -> Any:
        """Let what is due take its place."""
        return await step(io, self.place, NOBODY)

    async def _tidy(self, io: IO, script: Script, keys: list[str], args: list[Any]) -> Any:
        return (await io.gather(self._look_after(io), io.run(script, keys=keys, args=args)))[1]

    def _waiting_keys(self) -> list[str]:
        keys = self.place.keys
        lists = [keys.jobs, keys.ready, keys.ranked, keys.later, keys.suspects]
        return [*lists, keys.kills, keys.past, keys.unique, keys.waits]


def due_at(moment: datetime) -> str:
    """Return *moment* as an `Entry` has it: not a millisecond before."""
    return f"@{math.ceil(moment.timestamp() * 1000)}"
