"""The protocol: read; if there is nothing, the one with the lease makes the value, and the others wait for it."""

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

from django_redis_patterns.conf import settings
from django_redis_patterns.core import trace
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.exceptions import RedisPatternsError, RedisUnavailable, SerializationError, ValueTooLarge

from . import leases
from .background import later, later_on_loop
from .copies import Fill
from .entry import IDENT, Hit
from .flights import alone
from .keeper import kept
from .leases import Busy, Mine, Seen
from .near import dropping, near
from .owed import is_owed
from .post import post
from .recent import Recent
from .recipe import Call
from .tally import tally
from .transactions import is_dirty, keeps_an_old_view

#: Seconds after which a waiter asks again, whatever it has heard.
HEARTBEAT = 1.0

logger = logging.getLogger("django_redis_patterns.caching")

_failed = Recent()
_asked = Recent()


class Fetch:
    """One call of a cached function on its way to its value."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._tally = tally(call.recipe.name)
        self._rejected = b""
        self._rescue: Hit | None = None  # what `stale_if_error` may serve
        self._owes = False  # a lease may be ours
        self._fill: Fill | None = None

    @cached_property
    def _token(self) -> str:
        return secrets.token_urlsafe(12)

    async def run(self, io: IO) -> Any:
        """Return the value: from Redis, by waiting for it, or by calling the function."""
        await io.expect_to_wait(settings().caching.wait)
        if is_dirty(self._call):
            self._tally.count("bypassed")
            return await self._make(io)
        if is_owed((self._call.place, *self._call.tags)):
            return await alone(io, self._call)
        return await (self._run_near(io) if self._call.recipe.is_near else self._run(io))

    async def _run_near(self, io: IO) -> Any:
        """Return the copy of this process; or run, and keep a copy of what comes."""
        if (hit := at_hand(self._call)) is not None:
            return hit.value
        kept_here = near(self._call.place.connection)
        try:
            links = await kept_here.sources(io, self._call)
        except RedisUnavailable:
            return await self._run(io)
        with kept_here.filling(self._call, links) as self._fill:
            return await self._run(io)

    async def _run(self, io: IO) -> Any:
        try:
            found = await self._look(io) or await self._turn(io)
        except RedisUnavailable:
            self._tally.count("away")
            trace.count("caching.away")
            return await alone(io, self._call)
        except BaseException:
            self.give_back()
            raise
        return found.value if isinstance(found, Hit) else await self.lead(io, found)

    async def first(self, io: IO) -> Hit | Mine | Busy | None:
        """Look, and ask for the lease, once. None when it takes more than that."""
        if is_dirty(self._call) or is_owed((self._call.place, *self._call.tags)):
            return None
        try:
            return await self._look(io) or (None if keeps_an_old_view() else await self._ask(io))
        except RedisUnavailable:
            return None

    async def lead(self, io: IO, mine: Mine | None) -> Any:
        """Call the function, and store what it returns if the lease is ours until the end."""
        if mine is None:
            return await self._make(io)
        try:
            return await self._led(io, mine)
        except BaseException:  # a signal, a cancelled task: nothing can be waited for any more
            self.give_back()
            raise

    async def _led(self, io: IO, mine: Mine) -> Any:
        try:
            with kept(self._call.place, self._token):
                value = await self._make(io)
            data = self._packed(value, mine.nonces)
        except Exception as error:
            rescue = None if isinstance(error, SerializationError) else self._rescued(error)
            await self._finish(io, b"")
            if rescue is None:
                raise
            return rescue.value
        with dropping(self._call.place, self._fill):
            is_stored = await self._finish(io, data)
        if is_stored and data and self._fill:
            self._fill.offer(value, self._call.recipe.ttl)
        if data and not is_stored:
            self._tally.count("refused")
        return value

    async def refresh(self, io: IO) -> Any:
        """Call the function and store its result, whatever is there, and whoever else is at it."""
        if is_dirty(self._call) or keeps_an_old_view():
            return await self._make(io)
        try:
            self._owes = True
            mine = await leases.take(io, self._call, self._token, is_forced=True)
        except RedisUnavailable:
            return await alone(io, self._call)
        return await self.lead(io, mine if isinstance(mine, Mine) else None)

    async def refresh_stale(self, io: IO, rejected: bytes) -> None:
        """Make a stale value anew, unless somebody is at it or has done it."""
        self._rejected = rejected
        answer = await self._ask(io)
        if isinstance(answer, Mine):
            await self.lead(io, answer)

    def give_back(self) -> None:
        """Give back, behind everybody's back, a lease that may be ours."""
        if self._owes:
            self._owes = False
            later(partial(leases.give_back, self._call.place, self._token))

    async def _look(self, io: IO) -> Hit | None:
        telling = [self._tally.tell(io)] if self._tally.is_due else []
        looking: Any = leases.look(io, self._call)
        seen: Seen = (await io.gather(looking, *telling))[0] if telling else await looking
        hit = self._judged(seen)
        if hit is not None:
            self._tally.count("hits")
        return hit

    def _judged(self, seen: Seen) -> Hit | None:
        """Return the value if it may be served; else remember that it is no use, or when it may be of some."""
        if seen.data is None:
            return None
        hit, over = aged(self._call, seen)
        if hit is not None and over <= 0:
            if self._fill:
                self._fill.offer(hit.value, -over)
            return hit
        self._rejected = seen.data[:IDENT]
        if hit is not None and over <= self._call.recipe.stale:
            self._tally.count("stale")
            refresh_behind(self._call, self._rejected)
            return hit
        self._rescue = hit if hit is not None and over <= self._call.recipe.stale_if_error else None
        return self._rescue if self._call.place.name in _failed else None

    async def _turn(self, io: IO) -> Hit | Mine | None:
        """Wait until the value is there, or it is our turn to make it; None when that takes too long."""
        if keeps_an_old_view():
            return None
        place, until, has_waited = self._call.place, time.monotonic() + settings().caching.wait, False
        while True:
            here = post(place.connection, await io.primary(place.keys[0]))
            with here.expecting(place.keys[0]) as bell:
                answer = await self._ask(io, here.channel)
                if isinstance(answer, Busy) and not here.channel:
                    await here.open(io)
                    answer = await self._ask(io, here.channel)
                if not isinstance(answer, Busy):
                    if isinstance(answer, Hit):
                        self._tally.count("waits" if has_waited else "hits")
                    return answer
                if time.monotonic() >= until:
                    trace.count("caching.impatient")
                    return None
                has_waited = True
                await io.wait(bell, min(answer.left + 0.01, HEARTBEAT, max(until - time.monotonic(), 0)))

    async def _ask(self, io: IO, channel: str = "") -> Hit | Mine | Busy:
        """Ask for the lease, until what we get is of use."""
        while True:
            self._owes = True
            answer = await leases.take(io, self._call, self._token, rejected=self._rejected, channel=channel)
            self._owes = isinstance(answer, Mine)
            if not isinstance(answer, Seen):
                if self._rescue is None or self._call.place.name not in _failed:
                    return answer
                self.give_back()
                return self._rescue
            if (hit := self._judged(answer)) is not None:
                return hit

    async def _make(self, io: IO) -> Any:
        self._tally.count("calls")
        try:
            return await io.call(self._call.recipe.function, *self._call.args, **self._call.kwargs)
        except Exception:
            self._tally.count("errors")
            raise

    def _packed(self, value: Any, nonces: Sequence[bytes]) -> bytes:
        try:
            return self._call.codec.pack(value, nonces)
        except ValueTooLarge as error:
            trace.count("caching.too_large")
            logger.warning("A value of %s is not stored: %s", self._call.recipe.name, error)
            return b""

    async def _finish(self, io: IO, data: bytes) -> bool:
        """End the lease, with a value or without; an outage at this point is nobody's trouble."""
        finishing = leases.finish(io, self._call.place, self._token, data, self._call.recipe.life)
        try:
            stored, _ = await io.gather(finishing, self._tally.tell(io))
        except RedisPatternsError:
            trace.count("caching.not_stored")
            stored = False
        self._owes = False
        return bool(stored)

    def _rescued(self, error: Exception) -> Hit | None:
        """Return the old value that may be served instead; those who wait are served it too."""
        if self._rescue is None:
            return None
        _failed.note(self._call.place.name)
        self._tally.count("rescued")
        logger.warning("An old value of %s is served, as the call failed: %r", self._call.recipe.name, error)
        return self._rescue


def at_hand(call: Call) -> Hit | None:
    """Return the copy of this process, if it has one that this thread may use."""
    hit = near(call.place.connection).copies.find(call.place.near_name)
    if hit is None or is_dirty(call):
        return None
    tally(call.recipe.name).count("near")
    return hit


def aged(call: Call, seen: Seen) -> tuple[Hit | None, int]:
    """Return what was seen, and by how many milliseconds it is over its time."""
    hit = None if seen.data is None else call.codec.unpack(seen.data, seen.nonces)
    if hit is None or seen.left is None:
        return hit, 0
    return hit, call.recipe.grace - max(seen.left, 0)


async def _refresh_stale(io: IO, call: Call, rejected: bytes) -> None:
    """Make the stale value that begins with *rejected* anew, unless somebody is at it or has done it."""
    await Fetch(call).refresh_stale(io.on(call.place.connection), rejected)


refresh_stale, arefresh_stale = both(_refresh_stale)


def refresh_behind(call: Call, rejected: bytes) -> None:
    """Have a stale value made anew; who is being served it goes on. Asked for once a second in each process."""
    if call.place.name in _asked:
        return
    _asked.note(call.place.name)
    if call.recipe.is_coroutine and _is_on_a_loop():
        later_on_loop(partial(arefresh_stale, call, rejected))
    else:
        later(partial(refresh_stale, call, rejected))


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
