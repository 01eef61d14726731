"""What is stored of a job: ``priority[:mark] body``. Scripts read what comes before the space, and nothing else."""

from dataclasses import dataclass
from typing import Any

from django_redis_patterns.core.keys import digest
from django_redis_patterns.core.serializers import Json
from django_redis_patterns.exceptions import SerializationError

SERIALIZER = Json()
#: Priorities, the least and the most.
LEAST, MOST = -100, 100


@dataclass(frozen=True, slots=True)
class Entry:
    """A job on its way into a queue. ``due``: ms from now, or "@" and ms since 1970."""

    id: str
    record: bytes
    due: str = "0"


def record(body: bytes, priority: int = 0, unique: str | None = None, until_started: bool = False) -> bytes:
    """Return what is stored. *unique* is a text that one job of the queue may have at a time."""
    if not isinstance(unique, str | None):
        raise TypeError(f"unique is a text, not {unique!r}.")
    mark = f":{'s' if until_started else 'e'}{digest(unique)}" if unique is not None else ""
    return b"%d%s " % (checked_priority(priority), mark.encode()) + body


def priority_of(record: bytes) -> int:
    """Return the priority in a record; 0 for one that has none, which somebody else has written."""
    try:
        return int(record.partition(b" ")[0].partition(b":")[0])
    except ValueError:
        return 0


def failures_of(past: bytes) -> int:
    """Return how often a job has failed."""
    number = past.partition(b" ")[0]
    return int(number) if number.isdigit() else 0


def body_of(record: bytes) -> bytes:
    """Return what scripts do not read."""
    return record.partition(b" ")[2]


def data_of(record: bytes) -> Any:
    """Return what was pushed; raises `SerializationError`."""
    return SERIALIZER.loads(body_of(record))


def readable(record: bytes) -> tuple[Any, str]:
    """Return what was pushed, and why that cannot be read."""
    try:
        return data_of(record), ""
    except SerializationError as error:
        return None, str(error)


def checked_priority(priority: Any) -> int:
    """Return *priority*; raises ValueError and TypeError for one that there is not."""
    if not LEAST <= whole(priority, "priority") <= MOST:
        raise ValueError(f"priority is from {LEAST} to {MOST}, not {priority}.")
    return int(priority)


def whole(number: Any, what: str) -> int:
    """Return *number*; raises TypeError that names *what* for one that is no whole number."""
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{what} is a whole number, not {number!r}.")
    return number
