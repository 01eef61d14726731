"""The protocol: read; if there is nothing, the one with the lease makes the value, and the others wait for it."""

import asyncio
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any, cast

from django_redis_patterns.conf import settings
from django_redis_patterns.core import trace
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.exceptions import RedisUnavailable

from . import leases
from .background import later, later_on_loop
from .entry import IDENT, Hit
from .flights import alone
from .leases import Busy, Mine, Seen, aged
from .making import Making
from .near import near
from .owed import is_owed
from .post import post
from .recent import Recent
from .recipe import Call
from .transactions import is_dirty, keeps_an_old_view

#: Seconds after which a waiter asks again, whatever it has heard.
HEARTBEAT = 1.0

_asked = Recent()


class Fetch(Making):
    """One call of a cached function on its way to its value."""

    _rejected = b""

    async def run(self, io: IO) -> Any:
        """Return the value: from Redis, by waiting for it, or by calling the function."""
        await io.expect_to_wait(settings().caching.wait)
        if is_dirty(self._call):
            self._tally.count("bypassed")
            return await self._make(io)
        if is_owed(self._call.targets):
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
            found = self._found(await self._look(io)) or await self._turn(io)
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
        if is_dirty(self._call) or is_owed(self._call.targets):
            return None
        try:
            found = self._found(await self._look(io))
            return found or (None if keeps_an_old_view() or self._is_alone else await self._ask(io))
        except RedisUnavailable:
            return None

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

    def _look(self, io: IO) -> Coroutine[Any, Any, Seen]:
        looking = leases.look(io, self._call)
        return self._look_and_tell(io, looking) if self._tally.is_due else looking

    async def _look_and_tell(self, io: IO, looking: Coroutine[Any, Any, Any]) -> Seen:
        seen, _ = await io.gather(looking, self._tally.tell(io))
        return cast(Seen, seen)

    def _found(self, seen: Seen) -> Hit | None:
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
        return self._rescue if self._has_failed else None

    async def _turn(self, io: IO) -> Hit | Mine | None:
        """Wait until the value is there, or it is our turn to make it; None when that takes too long."""
        if keeps_an_old_view():
            return None
        place, until, has_waited = self._call.place, time.monotonic() + settings().caching.wait, False
        while not self._is_alone:
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
        return None

    async def _ask(self, io: IO, channel: str = "") -> Hit | Mine | Busy:
        """Ask for the lease, until what we get is of use."""
        while True:
            self._owes = True
            answer = await leases.take(io, self._call, self._token, rejected=self._rejected, channel=channel)
            self._owes = isinstance(answer, Mine)
            if not isinstance(answer, Seen):
                if self._rescue is None or not self._has_failed:
                    return answer
                self.give_back()
                return self._rescue
            if (hit := self._judged(answer)) is not None:
                return hit


def at_hand(call: Call) -> Hit | None:
    """Return the copy of this process, if it has one that this thread may use."""
    hit = near(call.place.connection).copies.find(call.place.near_name)
    if hit is None or is_dirty(call) or is_owed(call.targets):
        return None
    call.recipe.tally.count("near")
    return hit


async def _refresh_stale(io: IO, call: Call, rejected: bytes) -> None:
    """Make the stale value that begins with *rejected* anew, unless somebody is at it or has done it."""
    await Fetch(call).refresh_stale(io.on(call.place.connection), rejected)


refresh_stale, arefresh_stale = both(_refresh_stale)


def refresh_behind(call: Call, rejected: bytes) -> None:
    """Have a stale value made anew; who is being served it goes on. Asked for once a second in each process."""
    if call.place.name in _asked:
        return
    _asked.note(call.place.name)
    if call.recipe.is_coroutine and asyncio._get_running_loop() is not None:
        later_on_loop(partial(arefresh_stale, call, rejected))
    else:
        later(partial(refresh_stale, call, rejected))
