"""What is in a log: entries, and how one is stored."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django_redis_patterns.core import trace
from django_redis_patterns.core.serializers import Json
from django_redis_patterns.exceptions import SerializationError

from .ids import time_of

#: The one field of an entry, and the one that a copy for a single group has beside it.
DATA, ONLY_FOR = b"d", b"g"

SERIALIZER = Json()


class Entry(NamedTuple):
    """One event in the log."""

    id: str
    data: Any

    @property
    def at(self) -> datetime:
        """When it was appended, by the clock of Redis."""
        return time_of(self.id)


def entry_of(id: bytes, fields: Mapping[bytes, bytes] | None) -> Entry | None:
    """Return an entry as Redis has it; None for a copy that is meant for one group, and for what nobody can read."""
    if fields is None or ONLY_FOR in fields:
        return None
    try:
        return Entry(id.decode(), SERIALIZER.loads(fields.get(DATA, b"")))
    except SerializationError:
        trace.count("streams.undecodable")
        return None
