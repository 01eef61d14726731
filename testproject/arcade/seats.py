"""The turnstile as pages show it: what Redis says, with the names that are known here."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from arcade.contenders import Contender
from arcade.desk import desk
from arcade.gate import HOLD, own_waiters, state
from django_redis_patterns.locks.place import owner


@dataclass(frozen=True)
class Seat:
    """Somebody in the queue or in the lock. ``key`` stays while they move.

    ``seconds``: how long they are there. ``lasts``: how long one is in the lock as a rule, or a vanished one until its
    time is up.
    """

    key: str
    name: str
    owner: str
    seconds: float
    fence: int = 0
    has_vanished: bool = False
    lasts: float = HOLD


@dataclass(frozen=True)
class Turnstile:
    """Who is in, who waits in which order, and who was through, the last one first."""

    holder: Seat | None
    line: list[Seat]
    past: list[Contender]


def turnstile() -> Turnstile:
    """Return the turnstile at this moment: one trip to Redis."""
    found = state()
    present = [contender for contender in desk.present() if contender.is_in_line]
    waiting = [contender for contender in present if not contender.fence and not contender.fate]
    mine = len(own_waiters(found))
    # Who was just let in and does not know it yet stands first here, and in Redis no more.
    line = iter(waiting[max(0, len(waiting) - mine) :])
    seats = [
        _seat(next(line, None) if waiter.owner == owner() else None, waiter.owner, waiter.since)
        for waiter in found.waiters
    ]
    if not found.holders:
        return Turnstile(None, seats, desk.past())
    holder = found.holders[0]
    entering = waiting[0] if len(waiting) > mine and holder.owner == owner() else None
    inside = next((one for one in present if one.fence == holder.fence), entering)
    return Turnstile(_seat(inside, holder.owner, holder.since, holder.fence), seats, desk.past())


def _seat(contender: Contender | None, owner: str, since: datetime, fence: int = 0) -> Seat:
    seconds = max(0.0, (timezone.now() - since).total_seconds())
    if contender is None:
        return Seat(f"{owner} {since.timestamp()}", owner, owner, seconds, fence)
    key, has_vanished = str(contender.number), contender.fate == "vanished"
    lasts = contender.held + contender.left if has_vanished else HOLD
    return Seat(key, contender.who, owner, seconds, fence, has_vanished, lasts)
