"""Who holds a lock and who waits for it, read without touching it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django_redis_patterns.conf import settings
from django_redis_patterns.core.connections.scan import scan
from django_redis_patterns.core.operations import IO, both

from .turnstile import Holder, holder


@dataclass(frozen=True)
class Waiter:
    """Who waits for a lock, and since when by the clock of Redis."""

    owner: str
    since: datetime


@dataclass(frozen=True)
class State:
    """One lock or semaphore at one moment; *waiters* in their order, ``fence`` the last that was given."""

    name: str
    kind: str
    holders: list[Holder]
    waiters: list[Waiter]
    fence: int


async def read(io: IO, keys: Sequence[str]) -> State:
    """Read one turnstile in one trip."""
    holders, queue, facts = keys
    looks: list[Any] = [
        io.redis.time(),
        io.redis.zrange(holders, 0, -1, withscores=True),
        io.redis.zrange(queue, 0, -1, withscores=True),
        io.redis.hgetall(facts),
    ]
    time, inside, waiting, known = await io.gather(*looks)
    now = time[0] * 1000 + time[1] / 1000
    return State(
        name=known.get(b"name", b"").decode("utf-8", "surrogatepass"),
        kind=holders.removeprefix(f"{settings().prefix}:").partition(":")[0],
        holders=[holder(known[token]) for token, till in inside if till > now and token in known],
        waiters=[_waiter(card, since) for card, since in waiting],
        fence=int(known.get(b"last", 0)),
    )


def _waiter(card: bytes, since: float) -> Waiter:
    return Waiter(card.decode("utf-8", "replace").split("\n", 3)[3], datetime.fromtimestamp(since / 1_000_000, UTC))


async def _states(io: IO, alias: str, places: Sequence[Sequence[str]]) -> list[State]:
    """Read the turnstiles with these keys on the connection *alias*, in one trip."""
    io = io.on(alias)
    return await io.gather(*(read(io, keys) for keys in places))


states = both(_states)[0]


def all_states(alias: str, at_once: int = 100) -> Iterator[State]:
    """Yield every lock and semaphore of *alias* that somebody holds or waits for. Looks through all keys, slowly."""
    found: list[list[str]] = []
    for kind in ("locks", "semaphores"):
        for facts in scan(alias, f"{settings().prefix}:{kind}:", "*:facts"):
            stem = facts.removesuffix("facts")
            found.append([stem + part for part in ("holders", "queue", "facts")])
            if len(found) == at_once:
                yield from _busy(states(alias, found))
                found = []
    yield from _busy(states(alias, found))


def _busy(several: list[State]) -> Iterator[State]:
    yield from (state for state in several if state.holders or state.waiters)
