"""Who is at work on a queue, and at what."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from .records import readable


class InHand(NamedTuple):
    """A job that somebody has, since when by the clock of Redis. ``data`` is None when it cannot be read."""

    id: str
    data: Any
    since: datetime


class Worker(NamedTuple):
    """A process, or a block that has taken jobs; ``lease``: seconds that are left, 0 for one that is dead."""

    name: str
    lease: float
    jobs: list[InHand]


def workers(live: Sequence[Any], claims: Sequence[Any]) -> list[Worker]:
    """Return them as `workers.lua` tells of them, by their names."""
    found = {name: Worker(name, ms / 1000, []) for name, ms in zip(map(_text, live[::2]), live[1::2], strict=True)}
    for id, claim, record in zip(claims[::3], claims[1::3], claims[2::3], strict=True):
        name, _, rest = _text(claim).partition(" ")
        since = rest.rpartition(" ")[2]
        at = datetime.fromtimestamp(int(since if since.isdigit() else 0) / 1000, UTC)
        found.setdefault(name, Worker(name, 0.0, [])).jobs.append(InHand(_text(id), readable(record)[0], at))
    return [found[name] for name in sorted(found)]


def _text(told: bytes) -> str:
    return told.decode("utf-8", "backslashreplace")
