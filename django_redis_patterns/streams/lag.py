"""How far a group is behind."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .ids import order

#: Beyond so many, unread events are not counted one by one.
MOST_COUNTED = 10_000


@dataclass(frozen=True, kw_only=True)
class ConsumerLag:
    """One consumer. ``pending``: events it runs or has taken ahead; ``oldest``: the age of the first, in seconds.

    ``idle``: seconds since it last took or gave back something; ``lease``: seconds until it is dead, 0 if it is.
    """

    name: str
    pending: int
    oldest: float
    idle: float
    lease: float


@dataclass(frozen=True, kw_only=True)
class Lag:
    """One group. Ages are in seconds, from the append to now, by the clock of Redis.

    ``events`` were not delivered yet, ``seconds`` is the age of the first of them. From 10,000 on it is what the
    server itself counts, which after deletions may be too much, and on Redis 6.2 it stays 10,000. ``pending`` were
    delivered and are not acknowledged, ``oldest`` is the age of the first; ``waiting`` of them wait until they are due
    again, ``failing`` have failed at least once. ``dead`` letters, ``dropped`` unread by ``maxlen``. ``seen``: when a
    consumer of the group was last there.
    """

    group: str
    events: int
    seconds: float
    pending: int
    oldest: float
    waiting: int
    failing: int
    dead: int
    dropped: int
    seen: datetime | None
    consumers: tuple[ConsumerLag, ...]


def lag_of(group: str, told: Sequence[Any]) -> Lag:
    """Return what lag.lua told."""
    now = int(told[0])

    def age(id: bytes | None) -> float:
        return max(now - order(id.decode())[0], 0) / 1000 if id else 0.0

    consumers = zip(*(told[i::5] for i in range(10, 15)), strict=True)
    return Lag(
        group=group,
        events=told[1],
        seconds=age(told[2]),
        pending=told[3],
        oldest=age(told[4]),
        waiting=told[5],
        failing=told[6],
        dead=told[7],
        dropped=int(told[8] or 0),
        seen=datetime.fromtimestamp(float(told[9]) / 1000, UTC) if told[9] else None,
        consumers=tuple(
            ConsumerLag(
                name=name.decode(),
                pending=pending,
                oldest=age(oldest),
                idle=idle / 1000,
                lease=max(float(lease or 0) - now, 0) / 1000,
            )
            for name, pending, oldest, idle, lease in consumers
            if name != WAITING
        ),
    )


#: The consumer that has what nobody runs.
WAITING = b"waiting"
