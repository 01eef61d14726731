"""Jobs in hand: taken by a context manager, acked at its end."""

import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from traceback import format_exception_only
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django_redis_patterns.conf import settings
from django_redis_patterns.core import trace
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.exceptions import JobLost, RedisUnavailable

from .delays import delay_after
from .durations import Duration, seconds
from .keeper import keeper
from .keys import Place
from .moves import Claim, End, Taker, again, back, dead, done, step, wait_for_work
from .records import priority_of, readable

if TYPE_CHECKING:
    from .queue import Queue

T = TypeVar("T")

logger = logging.getLogger("django_redis_patterns.queues")


@dataclass(frozen=True)
class Job:
    """A job in hand. ``attempt`` is 1 the first time; ``deaths`` are the processes that died while they had it."""

    id: str
    data: Any
    _hand: "Hand" = field(repr=False)
    _claim: Claim = field(repr=False)

    @property
    def attempt(self) -> int:
        """How often it is run, with this time."""
        return self._claim.failures + 1

    @property
    def priority(self) -> int:
        """Its priority."""
        return priority_of(self._claim.record)

    @cached_property
    def deaths(self) -> Sequence[str]:
        """Who died while they had it."""
        return self._claim.deaths

    @property
    def connection(self) -> str:
        """The alias of its queue's connection."""
        return self._hand.queue.connection

    async def _ack(self, io: IO) -> None:
        """Say that it is done, before the block ends; does nothing once it has ended.

        Raises `JobLost` when it is not ours any more.
        """
        await self._hand.end(io, done(self._claim))

    async def _nack(self, io: IO, reason: str = "", delay: Duration | None = None) -> None:
        """Say that it failed: it runs again after the queue's backoff, or is a dead letter with this *reason*.

        With a *delay*, in seconds, it runs again after that, however often it has failed. Does nothing once it has
        ended. Raises `JobLost` when it is not ours any more.
        """
        if not isinstance(reason, str):
            raise TypeError(f"reason is a text, not {reason!r}.")
        chosen = None if delay is None else seconds(delay, "delay")
        await self._hand.end(io, self._hand.failed(self._claim, reason or "nack", None, chosen))

    ack, aack = both(_ack)
    nack, anack = both(_nack)


class Hand:
    """What one take has taken, and how each of it has ended."""

    def __init__(self, queue: "Queue", count: int, wait: float) -> None:
        self.queue, self._count, self._wait = queue, count, wait
        self._taker = _newcomer()
        self._claims: dict[str, Claim] = {}  # those that have not ended

    @property
    def place(self) -> Place:
        """Where its lease is."""
        return self.queue.place

    @property
    def name(self) -> str:
        """Of its lease."""
        return self._taker.name

    @property
    def lease(self) -> float:
        """Seconds."""
        return self._taker.lease

    async def take(self, io: IO) -> list[Job]:
        """Take jobs, and wait for the first. What cannot be read becomes a dead letter."""
        deadline = time.monotonic() + self._wait
        if self._wait:
            await io.expect_to_wait(self._wait)
        while True:
            found = await step(io, self.queue.place, self._taker, (), self._count)
            left = deadline - time.monotonic()
            if jobs := await self._accept(io, found.claims):
                keeper.keep(self)
                return jobs
            if not found.claims and left <= 0:
                return []
            if not found.claims:
                await wait_for_work(io, self.queue.place, min(left, found.look_in))

    async def end(self, io: IO, how: End) -> None:
        """End one job before the others."""
        id = how.claim.id
        if id in self._claims:
            ended = await step(io, self.queue.place, self._ender([how]), [how])
            self._claims.pop(id, None)
            if ended.lost:
                raise JobLost(self.queue.name, id)

    async def close(self, io: IO, error: BaseException | None) -> None:
        """End all that is left, as the block has ended, and the lease."""
        keeper.drop(self)
        if not (ends := self._ends(error)):
            return
        ended = await step(io, self.queue.place, replace(self._ender(ends), ends_lease=True), ends)
        if ended.lost:
            raise JobLost(self.queue.name, ", ".join(end.claim.id for end in ends))

    def _ends(self, error: BaseException | None) -> list[End]:
        claims = list(self._claims.values())
        if error is None:
            return [done(claim) for claim in claims]
        if not isinstance(error, Exception):  # somebody wants us to stop, and it is not the job's fault
            return [back(claim) for claim in claims]
        why = "".join(format_exception_only(error)).strip()
        return [self.failed(claim, why, error) for claim in claims]

    def failed(self, claim: Claim, why: str, error: BaseException | None, delay: float | None = None) -> End:
        """Return how a claim ends whose job has failed."""
        queue, attempt = self.queue, claim.failures + 1
        if delay is None and attempt < queue.max_attempts:
            backoff = partial(queue.backoff, error or RuntimeError(why), attempt)
            delay = delay_after(attempt, backoff, queue.name)
        notes = why[:1000].encode("utf-8", "replace")
        return dead(claim, why[:1000], notes) if delay is None else again(claim, delay, notes)

    def _ender(self, ends: Sequence[End]) -> Taker:
        return Taker(self._taker.name, may_repeat=all(end.verb == "done" for end in ends))

    async def _accept(self, io: IO, claims: Sequence[Claim]) -> list[Job]:
        jobs, unreadable = [], []
        for claim in claims:
            data, why = readable(claim.record)
            if why:
                trace.count("queues.undecodable")
                unreadable.append(dead(claim, why, b""))
            else:
                self._claims[claim.id] = claim
                jobs.append(Job(claim.id, data, self, claim))
        if unreadable:
            await step(io, self.queue.place, replace(self._ender(unreadable), ends_lease=not jobs), unreadable)
        if claims and not jobs:
            self._taker = _newcomer()  # a name takes once
        return jobs


def _newcomer() -> Taker:
    return Taker(f"take.{secrets.token_urlsafe(9)}", lease=settings().queues.lease, may_repeat=True)


class Take(Generic[T]):
    """The context manager of ``Queue.take`` and ``Queue.take_many``; each use takes anew."""

    def __init__(self, queue: "Queue", count: int, wait: float, is_many: bool) -> None:
        self._queue, self._count, self._wait, self._is_many = queue, count, wait, is_many
        self._hand: Hand | None = None

    @property
    def connection(self) -> str:
        """The alias of the queue's connection."""
        return self._queue.connection

    async def _begin(self, io: IO) -> Any:
        """Take, and wait for it."""
        self._hand = Hand(self._queue, self._count, self._wait)
        jobs = await self._hand.take(io)
        return jobs if self._is_many else next(iter(jobs), None)

    async def _finish(self, io: IO, error: BaseException | None) -> None:
        """Ack, nack, or give back."""
        hand, self._hand = self._hand, None
        if hand is None:
            return
        try:
            await hand.close(io, error)
        except (JobLost, RedisUnavailable) as trouble:
            if error is None:
                raise
            logger.warning("%s: %s", self._queue.name, trouble)

    begin, abegin = both(_begin)
    finish, afinish = both(_finish)

    def __enter__(self) -> T:
        return self.begin()  # type: ignore[no-any-return]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self.finish(error)

    async def __aenter__(self) -> T:
        return await self.abegin()  # type: ignore[no-any-return]

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        await self.afinish(error)
