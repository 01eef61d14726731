"""How one gets in: asks, waits in the queue for its turn, and takes the grant."""

import random
from collections.abc import Sequence

from django_redis_patterns.core.operations import IO
from django_redis_patterns.exceptions import LockLost, LockTimeout, RedisUnavailable

from .clock import counted_on, now
from .keeper import keeper
from .lease import Lease
from .place import Card, Place
from .post import Grant, Waiter, post
from .quorum import Quorum
from .turnstile import Holder, In, Out, enter, left

#: Seconds after which a waiter asks again, whatever it has heard; those further behind in the queue ask less often.
HEARTBEAT, PER_PLACE = 1.0, 0.05
#: When a holder's time is up the first in the queue asks at once, and each one behind it this much later.
STAGGER = 0.005
#: Seconds without Redis that a waiter sits out, and the longest pause between two looks.
PATIENCE, LOOK = 5.0, 0.3


class Claim:
    """One way in at one place, for at most *wait* seconds (None: for ever); ``0``: do not wait."""

    def __init__(self, place: Place, ttl: float, wait: float | None, max_hold: float | None) -> None:
        self._place, self._card = place, Card.new(ttl)
        self._wait, self._max_hold = wait, max_hold
        self._began = now()
        self._asked = 0.0
        self._answer: Out | None = None
        self._silent_since: float | None = None
        self._has_queued = False

    async def run(self, io: IO, fence: int = 0) -> Lease:
        """Return the lease, its fence at least *fence*. Raises `LockTimeout` and `RedisUnavailable`.

        However it ends otherwise, by a signal, a cancelled task or a lost reply: what may have been granted is given
        back.
        """
        try:
            return await self._run(io, fence)
        except LockTimeout:
            raise
        except BaseException as error:
            if self._has_queued or not isinstance(error, RedisUnavailable) or error.ambiguous:
                keeper(self._place.connection).give_back(self._place, self._card)
            raise

    async def _run(self, io: IO, fence: int) -> Lease:
        if self._wait == 0:
            return await self._ask(io, fence, is_queueing=False) or await self._give_up(io)
        while True:
            here = post(self._place.connection, await io.on(self._place.connection).primary(self._place.keys[0]))
            with here.expecting(self._card.token) as waiter:
                try:
                    is_listening = here.is_open  # others may open it while we ask
                    lease = await self._ask(io, fence, is_queueing=is_listening)
                    if lease is None and not is_listening:
                        await here.open(io)
                        lease = await self._ask(io, fence, is_queueing=True)
                    self._silent_since = None
                except RedisUnavailable as error:
                    self._bear(error)
                    lease = None
                lease = lease or await self._turn(io, waiter, fence)
            if lease is not None:
                return lease
            if self._left() <= 0:
                return await self._give_up(io)

    async def _ask(self, io: IO, fence: int, *, is_queueing: bool) -> Lease | None:
        self._has_queued = self._has_queued or is_queueing
        asked = now()
        arrival = self._answer.arrival if self._answer else ""
        answer = await enter(io, self._place, self._card, fence=fence, is_queueing=is_queueing, arrival=arrival)
        if isinstance(answer, In):
            return self._lease(answer.fence, asked, answer.ttl)
        self._asked, self._answer = asked, answer  # one belongs to the other
        return None

    async def _turn(self, io: IO, waiter: Waiter, fence: int) -> Lease | None:
        """Wait for the grant, or until it is time to ask again."""
        await io.wait(waiter.bell, max(0.0, min(self._pause(), self._left())))
        return self._taken(waiter.grant) if waiter.grant and waiter.grant.fence >= fence else None

    def _taken(self, grant: Grant) -> Lease | None:
        """Take a grant at its word, unless it has lain here for so long that Redis had better be asked.

        When it was made is reckoned from our last question and its answer, both stamped by Redis, and is at most now.
        """
        if self._answer is None or grant.at < self._answer.now:  # since then Redis has said that we are out
            return None
        made = min(self._asked + (grant.at - self._answer.now) / 1_000_000, now())
        if now() - made > counted_on(grant.ttl) / 3:
            return None
        return self._lease(grant.fence, made, grant.ttl)

    def _lease(self, fence: int, since: float, ttl: float) -> Lease:
        ends_at = float("inf") if self._max_hold is None else now() + self._max_hold
        lease = Lease(self._place, self._card, fence, ends_at=ends_at)
        lease.prolonged(since, ttl)
        keeper(self._place.connection).keep(lease)
        return lease

    def _pause(self) -> float:
        if self._silent_since is not None or self._answer is None:
            return random.uniform(LOOK / 3, LOOK)
        heartbeat = HEARTBEAT + self._answer.place * PER_PLACE
        return min(self._answer.free_in + STAGGER * (self._answer.place + 1), heartbeat)

    def _left(self) -> float:
        return float("inf") if self._wait is None else self._began + self._wait - now()

    def _bear(self, error: RedisUnavailable) -> None:
        """Sit out a short outage in the queue; raise at once when we have never been there."""
        self._silent_since = self._silent_since or now()
        if self._answer is None or now() - self._silent_since > PATIENCE or self._left() <= 0:
            raise error

    async def _give_up(self, io: IO) -> Lease:
        if self._has_queued:
            await left(io, self._place, self._card, 0)
        holder: Holder | None = self._answer.holder if self._answer else None
        raise LockTimeout(self._place.name, now() - self._began, holder)


class Names:
    """One way in at all of *places*, one after the other, in the order in which everybody takes them: all or none."""

    def __init__(self, places: Sequence[Place], ttl: float, wait: float | None, max_hold: float | None) -> None:
        self._places, self._ttl, self._wait, self._max_hold = places, ttl, wait, max_hold

    async def run(self, io: IO) -> Quorum:
        """Return what holds. Raises `LockTimeout` and `RedisUnavailable`."""
        if self._wait != 0:
            await io.expect_to_wait(float("inf") if self._wait is None else self._wait)
        until = None if self._wait is None else now() + self._wait
        leases: list[Lease] = []
        try:
            for place in self._places:
                wait = None if until is None else max(0.0, until - now())
                claim = Claim(place, self._ttl, wait, self._max_hold)
                leases.append(await claim.run(io, max((one.fence for one in leases), default=0)))
            return await self._together(io, leases)
        except BaseException as error:
            await self._none(io, Quorum(leases, len(leases)), error)
            raise

    async def _none(self, io: IO, got: Quorum, error: BaseException) -> None:
        """Leave what was got: at once where *error* is that another one was busy, else behind the caller's back."""
        got.drop()
        if not isinstance(error, LockTimeout):
            got.give_back()
            return
        try:
            await io.gather(*(left(io, lease.place, lease.card, lease.fence) for lease in got.leases))
        except RedisUnavailable:  # busy is what it was, all the same
            got.give_back()
        except BaseException:
            got.give_back()
            raise

    async def _together(self, io: IO, leases: list[Lease]) -> Quorum:
        """Raise all fences to the highest, which is the fence of all."""
        fence = max(lease.fence for lease in leases)
        lower = [lease for lease in leases if lease.fence < fence]
        if lower:
            await io.gather(*(enter(io, lease.place, lease.card, fence=fence) for lease in lower))
        quorum = Quorum(leases, len(leases), fence)
        if quorum.loss:  # one was lost while we waited for another
            raise LockLost(", ".join(place.name for place in self._places), quorum.loss)
        return quorum
