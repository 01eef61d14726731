"""When an open transaction must not use the cache: what it has changed is not there yet, and nobody else may see it."""

from typing import Any

from django.db import connections

from django_redis_patterns.core.commit import leaving, left_for_commit, open_databases

from .invalidation import forget
from .recipe import Call
from .through import settle


def is_dirty(call: Call) -> bool:
    """Return whether an open transaction of this thread will invalidate *call* when it commits."""
    waiting = leaving()
    return bool(waiting) and any(_touches(connection, call) for connection in waiting)


def keeps_an_old_view() -> bool:
    """Return whether this thread reads, until its transaction ends, what others have changed as it was before.

    What it computes then may be older than an invalidation, and is not stored.
    """
    return any(_has_snapshot(connections[alias]) for alias in open_databases())


def _touches(connection: Any, call: Call) -> bool:
    return any(not left_for_commit(connection, operation).isdisjoint(call.targets) for operation in (forget, settle))


def _has_snapshot(connection: Any) -> bool:
    level = getattr(connection, "isolation_level", None)  # a text, or an enum of the driver's
    name = str(getattr(level, "name", level)).lower().replace("_", " ")
    if connection.vendor == "mysql":  # None: the server's default, which is REPEATABLE READ
        return name not in ("read committed", "read uncommitted")
    if connection.vendor == "postgresql":
        return name in ("repeatable read", "serializable")
    return connection.vendor == "sqlite" and _is_written_ahead(connection.connection)


def _is_written_ahead(sqlite: Any) -> bool:
    """A file remembers its mode, whoever has set it; nothing is read to tell it."""
    return sqlite is not None and sqlite.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
