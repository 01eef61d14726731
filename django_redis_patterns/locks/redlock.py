"""Redlock: a lock on the majority of independent Redis servers, so that the minority may be dead, slow or wiped.

https://redis.io/docs/latest/develop/clients/patterns/distributed-locks/ with a fence on top: the highest of the
majority's fences is written to a majority before it is used, and any two majorities have a server in common.
"""

import random
from collections.abc import Sequence
from functools import partial

from django_redis_patterns.core.operations import IO
from django_redis_patterns.exceptions import LockTimeout, RedisUnavailable

from .clock import now
from .keeper import keeper
from .lease import Lease
from .place import Card, Place
from .poll import Poll
from .quorum import Quorum
from .turnstile import Holder, In, Out, come, leave

#: Seconds between two rounds of who found the lock taken, drawn anew each time so that rivals get out of step.
AGAIN = (0.01, 0.1)


class Redlock:
    """One way in at the majority of *places*, each on a server of its own; the rest as for a `Claim`."""

    def __init__(self, places: Sequence[Place], ttl: float, wait: float | None, max_hold: float | None) -> None:
        self._places, self._ttl, self._wait, self._max_hold = places, ttl, wait, max_hold

    async def run(self, io: IO) -> Quorum:
        """Return what holds. Raises `LockTimeout`, and `RedisUnavailable` when too many servers are away to tell."""
        await io.expect_to_wait(1.0 if self._wait is None else max(self._wait, 1.0))
        began = now()
        while True:
            attempt = _Attempt(self._places, self._ttl, self._max_hold)
            if await attempt.run(io):
                attempt.quorum.keep()
                return attempt.quorum
            left = float("inf") if self._wait is None else began + self._wait - now()
            if left <= 0:
                raise LockTimeout(self._places[0].name, now() - began, attempt.holder)
            await io.sleep(min(left, random.uniform(*AGAIN)))


class _Attempt:
    """One round through all servers."""

    def __init__(self, places: Sequence[Place], ttl: float, max_hold: float | None) -> None:
        ends_at = float("inf") if max_hold is None else now() + max_hold
        leases = [Lease(place, Card.new(ttl), 0, ends_at=ends_at, heals=True) for place in places]
        self.quorum = Quorum(leases, len(leases) // 2 + 1)
        self.holder: Holder | None = None

    async def run(self, io: IO) -> bool:
        try:
            is_in = await self._run(io)
        except BaseException:
            self.quorum.drop()
            self.quorum.give_back()
            raise
        if not is_in:
            self.quorum.drop()
            Poll({lease.place.connection: partial(_leave, lease) for lease in self.quorum.leases}, 1, bool)
        return is_in

    async def _run(self, io: IO) -> bool:
        """Get in at the majority, then write the highest of its fences to a majority."""
        asked = self._ask(self.quorum.leases, 0)
        if not await asked.result(io):
            self.holder = next((answer.holder for answer in asked.no), None)
            return False
        self.quorum.fence = max(lease.fence for lease in self.quorum.leases)
        # All are asked, not only who let it in: one of these may have frozen since, and another be there by now.
        return await self._ask(self.quorum.leases, self.quorum.fence).result(io) and not self.quorum.loss

    def _ask(self, leases: Sequence[Lease], fence: int) -> Poll:
        questions = {lease.place.connection: partial(self._enter, lease, fence) for lease in leases}
        return Poll(questions, self.quorum.needed, lambda answer: isinstance(answer, In))

    def _enter(self, lease: Lease, fence: int) -> In | Out:
        if self.quorum.is_over:  # it stood in line behind a slow server for longer than anybody waited
            raise _TooLate
        asked = now()
        answer = come(lease.place, lease.card, fence=fence)
        if isinstance(answer, In):
            lease.fence = answer.fence
            lease.prolonged(asked, answer.ttl)
            if self.quorum.is_over:  # an answer that nobody waits for any more
                _leave(lease)
        return answer


class _TooLate(Exception):
    """Nobody wants the answer any more."""


def _leave(lease: Lease) -> bool:
    try:
        return leave(lease.place, lease.card, lease.fence)
    except RedisUnavailable:  # nobody waits for it: it is left when the server is back
        keeper(lease.place.connection).give_back(lease.place, lease.card, lease.fence)
        raise


async def leave_majority(io: IO, quorum: Quorum) -> bool:
    """Leave all, and return whether the majority had been ours until now; does not wait for the rest."""
    questions = {lease.place.connection: partial(_leave, lease) for lease in quorum.leases}
    return await Poll(questions, quorum.needed, bool).result(io)
