"""A connection to listen on, and how long to wait before the next one."""

import random
from typing import Any

from redis import asyncio as aredis
from redis import connection as sync
from redis.asyncio import connection as asynchronous
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from django_redis_patterns.core.connections.options import target

# Not guarded: a subscriber gets replies that it did not ask for.
_SYNC = {"tcp": sync.Connection, "tls": sync.SSLConnection, "unix": sync.UnixDomainSocketConnection}
_ASYNC = {"tcp": aredis.Connection, "tls": aredis.SSLConnection, "unix": asynchronous.UnixDomainSocketConnection}
#: Bytes read at once.
READ_SIZE = 64 * 1024


class Backoff:
    """Seconds between attempts: up to 20 ms, doubling up to 2 s, with full jitter, so that processes spread out."""

    FIRST, LONGEST = 0.02, 2.0

    def __init__(self) -> None:
        self._most = self.FIRST

    def next(self) -> float:
        """Return how long to wait now."""
        most, self._most = self._most, min(self._most * 2, self.LONGEST)
        return random.uniform(0, most)

    def reset(self) -> None:
        """Start over: the link has worked."""
        self._most = self.FIRST


def connection(alias: str, attempt: int) -> Any:
    """Return redis-py's connection for a thread, still to be connected. On a cluster, attempts go from node to node."""
    kind, options = _options(alias, attempt)
    return _SYNC[kind](retry=Retry(NoBackoff(), 0), **options)


def aconnection(alias: str, attempt: int) -> Any:
    """Return the same for an event loop."""
    kind, options = _options(alias, attempt)
    return _ASYNC[kind](retry=AsyncRetry(NoBackoff(), 0), **options)


def _options(alias: str, attempt: int) -> tuple[str, dict[str, Any]]:
    where = target(alias)  # each time: a password file may have changed
    options = where.options | {"db": 0, "health_check_interval": 0}  # channels belong to no database
    if where.cluster:
        options["host"], options["port"] = where.cluster[attempt % len(where.cluster)]
    return where.kind, options
