"""What Redis tells of the log of plays: its newest entries, and how far each group has read."""

from collections.abc import Mapping

from arcade.events import plays
from arcade.readers import MOST, TITLES, Reader
from arcade.tape import LENGTH, Entry
from django_redis_patterns.core.operations import batch
from django_redis_patterns.exceptions import UnknownGroup
from django_redis_patterns.streams.entries import DATA, ONLY_FOR, SERIALIZER
from django_redis_patterns.streams.history import History
from django_redis_patterns.streams.workload import names_of


def newest(count: int = LENGTH) -> list[Entry]:
    """Return the newest entries, oldest first, with the copies for one group that `Stream.read` leaves out."""
    return list(History(plays.connection, plays.keys.log, _entry, reverse=True, count=count))[::-1]


def readers() -> list[Reader]:
    """Return the groups, each in one trip, and one more for its dead letters if it has some."""
    return [_reader(name) for name in TITLES]


def leased() -> list[str]:
    """Return the names of the processes that have a lease on the log, those with nothing in hand included."""
    return names_of(plays)


def _reader(name: str) -> Reader:
    try:
        with batch() as together:
            lag, pending = together(plays.lag, name), together(plays.pending, name, MOST)
        letters = tuple(plays.dead(name)) if lag.value.dead else ()
        return Reader(name, lag.value, {one.id: one for one in pending.value}, letters)
    except UnknownGroup:
        return Reader(name, None, {}, ())


def _entry(id: bytes, fields: Mapping[bytes, bytes] | None) -> Entry | None:
    if not fields:
        return None
    return Entry(id.decode(), SERIALIZER.loads(fields[DATA]), fields.get(ONLY_FOR, b"").decode())
