"""When an open transaction must not use the cache: what it has changed is not there yet, and nobody else may see it."""

from collections.abc import Iterator
from typing import Any

from django.db import connections

from django_redis_patterns.core.commit import left_for_commit

from .invalidation import forget
from .recipe import Call
from .through import settle


def is_dirty(call: Call) -> bool:
    """Return whether an open transaction of this thread will invalidate *call* when it commits."""
    return any(_touches(connection, call) for connection in _open())


def keeps_an_old_view() -> bool:
    """Return whether this thread reads, until its transaction ends, what others have changed as it was before.

    What it computes then may be older than an invalidation, and is not stored.
    """
    return any(_has_snapshot(connection) for connection in _open())


def _open() -> Iterator[Any]:
    return (one for one in connections.all(initialized_only=True) if one.in_atomic_block)


def _touches(connection: Any, call: Call) -> bool:
    if not connection.run_on_commit:
        return False
    mine = {call.place, *call.tags}
    return any(one in mine for operation in (forget, settle) for one in left_for_commit(connection, operation))


def _has_snapshot(connection: Any) -> bool:
    level = getattr(connection, "isolation_level", None)  # a text, or an enum of the driver's
    name = str(getattr(level, "name", level)).lower().replace("_", " ")
    if connection.vendor == "mysql":  # None: the server's default, which is REPEATABLE READ
        return name not in ("read committed", "read uncommitted")
    if connection.vendor == "postgresql":
        return name in ("repeatable read", "serializable")
    return connection.vendor == "sqlite" and "wal" in _pragmas(connection)


def _pragmas(connection: Any) -> str:
    return str(connection.settings_dict.get("OPTIONS", {}).get("init_command", "")).lower()
