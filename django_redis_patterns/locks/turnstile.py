"""What one says at a turnstile, and what it answers: one script, one trip each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script

from .place import Card, Place

if TYPE_CHECKING:
    from .lease import Lease

COME_OR_GO = Script("turnstile.lua", idempotent=True)
EVICT = Script("turnstile.lua")  # twice would evict the next one, too
RENEW = Script("renew.lua", idempotent=True)


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: "host:pid", since when by the clock of Redis, and the fence."""

    owner: str
    since: datetime
    fence: int

    def __str__(self) -> str:
        return f"{self.owner} since {self.since.astimezone():%H:%M:%S}"


@dataclass(frozen=True)
class In:
    """You are in, for *ttl* seconds from *now* (microseconds of Redis' clock)."""

    fence: int
    ttl: float
    now: int


@dataclass(frozen=True)
class Out:
    """You are not: how many are before you, seconds until a place may be free, and who is in."""

    arrival: str
    place: int
    free_in: float
    now: int
    holder: Holder


async def enter(
    io: IO, place: Place, card: Card, *, fence: int = 0, is_queueing: bool = False, arrival: str = ""
) -> In | Out:
    """Ask to be let in, by a fence of at least *fence*; asking again with the same card is as good as once.

    ``is_queueing``: else wait for the grant, in the place that belongs to *arrival* if we had one.
    """
    args = ["enter", card.text, place.limit, fence, int(is_queueing), arrival, place.label]
    is_in, *rest = await io.on(place.connection).run(COME_OR_GO, keys=place.keys, args=args)
    if is_in:
        number, ttl_ms, now = rest
        return In(number, ttl_ms / 1000, now)
    since, before, free_in_ms, now, fact = rest
    return Out(_text(since), before, free_in_ms / 1000, now, holder(fact))


async def left(io: IO, place: Place, card: Card, fence: int) -> bool:
    """Leave, or stop waiting; the next one is let in. Returns whether we had been in until now."""
    args = ["leave", card.text, place.limit, fence, 0, "", place.label]
    return bool(await io.on(place.connection).run(COME_OR_GO, keys=place.keys, args=args))


async def _evict(io: IO, place: Place) -> int:
    """Put out whoever is in, and tell them; returns how many that were."""
    args = ["evict", Card("", 0).text, place.limit, 0, 0, "", place.label]
    evicted: int = await io.on(place.connection).run(EVICT, keys=place.keys, args=args)
    return evicted


async def _renew(io: IO, alias: str, leases: "Sequence[Lease]") -> list[bool]:
    """Prolong leases of the connection *alias*, in one command; on a cluster those of one slot."""
    keys = [lease.place.keys[0] for lease in leases] + [lease.place.keys[2] for lease in leases]
    args: list[Any] = [lease.card.token for lease in leases] + [lease.card.ttl_ms for lease in leases]
    return [bool(kept) for kept in await io.on(alias).run(RENEW, keys=keys, args=args)]


# Only threads use these: keepers, Redlock's polls, the management command.
come = both(enter)[0]
leave = both(left)[0]
evict = both(_evict)[0]
renew = both(_renew)[0]


def holder(fact: bytes) -> Holder:
    """Read what a turnstile knows of one who is in."""
    fence, since, _, owner = _text(fact).split("\n", 3)
    return Holder(owner, datetime.fromtimestamp(int(since) / 1000, UTC), int(fence))


def _text(reply: bytes) -> str:
    return reply.decode("utf-8", "replace")
