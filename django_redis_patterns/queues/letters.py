"""Jobs that one looks at without taking them."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from .records import failures_of, priority_of, readable


class Waiting(NamedTuple):
    """A job that waits. ``data`` is None when it cannot be read."""

    id: str
    data: Any
    priority: int


class Letter(NamedTuple):
    """A dead letter: why it died and when, by the clock of Redis, and how often it was tried since it was put in."""

    id: str
    data: Any
    reason: str
    died_at: datetime
    failures: int


def waiting(id: bytes, record: bytes) -> Waiting:
    """Return a job as `peek.lua` tells of it."""
    return Waiting(id.decode("utf-8", "backslashreplace"), readable(record)[0], priority_of(record))


def letter(id: bytes, died_ms: bytes, record: bytes, past: bytes, reason: bytes) -> Letter:
    """Return a dead letter as `letters.lua` tells of it."""
    died_at = datetime.fromtimestamp(float(died_ms) / 1000, UTC)
    return Letter(
        id.decode("utf-8", "backslashreplace"),
        readable(record)[0],
        reason.decode("utf-8", "replace"),
        died_at,
        failures_of(past),
    )
