"""Redis keeps the channels of its databases in one space: the names of ours say which database they belong to."""

from functools import cache

from django_redis_patterns.core.connections.clients import on_reset
from django_redis_patterns.core.connections.options import target


@cache
def database_parts(alias: str) -> tuple[str, ...]:
    """Return what ends a channel's name on the connection *alias*: nothing for database 0, ``("db5",)`` for 5."""
    number = target(alias).options.get("db") or 0
    return (f"db{number}",) if number else ()


on_reset(database_parts.cache_clear)
