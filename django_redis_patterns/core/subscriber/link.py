"""A connection to listen on, and how long to wait before the next one."""

import random
from typing import Any

from redis import asyncio as aredis
from redis import connection as sync
from redis import sentinel
from redis.asyncio import connection as asynchronous
from redis.asyncio import sentinel as asentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from django_redis_patterns.core.connections.clients import aclient, client
from django_redis_patterns.core.connections.options import Address, Target, target

# Not guarded: a subscriber gets replies that it did not ask for.
_SYNC = {"tcp": sync.Connection, "tls": sync.SSLConnection, "unix": sync.UnixDomainSocketConnection}
_ASYNC = {"tcp": aredis.Connection, "tls": aredis.SSLConnection, "unix": asynchronous.UnixDomainSocketConnection}
_SENTINEL = {"tcp": sentinel.SentinelManagedConnection, "tls": sentinel.SentinelManagedSSLConnection}
_ASYNC_SENTINEL = {"tcp": asentinel.SentinelManagedConnection, "tls": asentinel.SentinelManagedSSLConnection}
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


def connection(alias: str, attempt: int, node: Address | None = None) -> Any:
    """Return redis-py's connection for a thread, still to be connected.

    On a cluster, attempts go from node to node, unless *node* is given; behind sentinels each asks for the primary, as
    the client's pool does.
    """
    where = target(alias)  # each time: a password file may have changed
    options = _options(where, attempt, node) | {"retry": Retry(NoBackoff(), 0)}
    if where.sentinels:
        return _SENTINEL[where.kind](connection_pool=client(alias).connection_pool, **options)  # type: ignore
    return _SYNC[where.kind](**options)


async def aconnection(alias: str, attempt: int) -> Any:
    """Return the same for the running event loop."""
    where = target(alias)
    options = _options(where, attempt, None) | {"retry": AsyncRetry(NoBackoff(), 0)}
    if where.sentinels:
        return _ASYNC_SENTINEL[where.kind](connection_pool=(await aclient(alias)).connection_pool, **options)  # type: ignore
    return _ASYNC[where.kind](**options)


def _options(where: Target, attempt: int, node: Address | None) -> dict[str, Any]:
    options = where.options | {"db": 0, "health_check_interval": 0}  # channels belong to no database
    if where.cluster:
        options["host"], options["port"] = node or where.cluster[attempt % len(where.cluster)]
    return options
