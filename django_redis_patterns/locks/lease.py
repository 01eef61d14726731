"""A place that is held, and until when: what holders own and keepers prolong."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary, ref

from .clock import counted_on, now
from .place import Card, Place

if TYPE_CHECKING:
    from .quorum import Quorum

#: Leases of this process by token. Weak: a lock that nobody can release any more is not kept.
living: "WeakValueDictionary[str, Lease]" = WeakValueDictionary()


#: Seconds after which a holder's process listens.
LISTEN_AFTER = 1.0


class Lease:
    """One place, held by one card. Times are those of `clock.now`.

    ``deadline``: until when it may be relied on, without asking. ``renew_at``: when it wants to be prolonged.
    ``ends_at``: when that stops. ``heals``: one of Redlock's, which is asked for again when a node has lost it.
    ``listen_at``: when it wants to hear that it is released by force; a lock that is held for a moment does not.
    ``of``: the lock that it is a part of. ``why_lost``: what ended it before its holder did.
    """

    def __init__(self, place: Place, card: Card, fence: int, *, ends_at: float, heals: bool = False) -> None:
        self.place, self.card, self.fence, self.ends_at, self.heals = place, card, fence, ends_at, heals
        self.of: ref[Quorum] | None = None
        self.deadline = self.renew_at = 0.0
        self.listen_at = now() + LISTEN_AFTER
        self.why_lost = ""
        self.on_change: Callable[[], None] | None = None
        self._pid = os.getpid()
        living[card.token] = self

    def prolonged(self, since: float, ttl: float) -> None:
        """Take note that Redis keeps it for *ttl* seconds from some moment after *since*."""
        self.deadline = since + counted_on(ttl)
        self.renew_at = since + ttl / 3

    @property
    def due(self) -> float:
        """When its keeper has something to do for it."""
        return min(self.renew_at, self.listen_at)

    def lose(self, why: str) -> None:
        """Take note that it is somebody else's, or nobody's."""
        self.why_lost = self.why_lost or why
        if (tell := self.on_change) is not None:
            tell()

    @property
    def is_foreign(self) -> bool:
        """Whether another process got it, and this one was forked from it."""
        return self._pid != os.getpid()

    @property
    def loss(self) -> str:
        """Why it cannot be relied on any more; "" while it can."""
        if self.is_foreign:
            return "it belongs to the process that this one was forked from"
        if self.why_lost:
            return self.why_lost
        return "its time was up before it could be renewed" if now() >= self.deadline else ""


def _start_anew() -> None:
    living.clear()


os.register_at_fork(after_in_child=_start_anew)
