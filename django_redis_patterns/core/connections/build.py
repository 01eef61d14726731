"""From a target to redis-py's client: the only place that makes one, and names every option."""

from typing import Any, TypeAlias

import redis
from redis import asyncio as aredis
from redis.asyncio.cluster import ClusterNode as AsyncClusterNode
from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from . import guard
from .driver import Driver
from .options import Target
from .pool import AsyncPool, AsyncSentinelPool, Pool, SentinelPool

Client: TypeAlias = "redis.Redis | RedisCluster"
AsyncClient: TypeAlias = "aredis.Redis | AsyncRedisCluster"

_SYNC = {"tcp": guard.GuardedConnection, "tls": guard.GuardedTLSConnection, "unix": guard.GuardedUnixConnection}
_ASYNC = {
    "tcp": guard.AsyncGuardedConnection,
    "tls": guard.AsyncGuardedTLSConnection,
    "unix": guard.AsyncGuardedUnixConnection,
}
_SENTINEL = {"tcp": guard.GuardedSentinelConnection, "tls": guard.GuardedSentinelTLSConnection}
_ASYNC_SENTINEL = {"tcp": guard.AsyncGuardedSentinelConnection, "tls": guard.AsyncGuardedSentinelTLSConnection}


def build(where: Target, block: int = 0) -> Client:
    """Return a client of *where* for threads; commands may block for *block* seconds."""
    options = _options(where, block) | {"retry": Retry(NoBackoff(), 0)}
    if where.cluster:
        return _cluster(where, options)
    if where.sentinels:
        sentinels = Sentinel(())  # type: ignore[no-untyped-call]
        # It would make unguarded clients of its own.
        sentinels.sentinels = [Driver(connection_pool=pool) for pool in _sentinel_pools(where, Pool, _SYNC, Retry)]
        options |= {"connection_class": _SENTINEL[where.kind], "max_connections": where.max_connections}
        pool: redis.ConnectionPool = SentinelPool(where.service, sentinels, **options)  # type: ignore[no-untyped-call]
    else:
        pool = Pool(_SYNC[where.kind], where.max_connections, **options)
    return Driver(connection_pool=pool)


def build_async(where: Target, block: int = 0) -> AsyncClient:
    """Return a client of *where* for the running event loop, still to be initialized."""
    options = _options(where, block) | {"retry": AsyncRetry(NoBackoff(), 0)}
    if where.cluster:
        return _async_cluster(where, options)
    if where.sentinels:
        pools = _sentinel_pools(where, AsyncPool, _ASYNC, AsyncRetry)
        sentinels = AsyncSentinel(())  # type: ignore[no-untyped-call]
        sentinels.sentinels = [aredis.Redis(connection_pool=pool) for pool in pools]
        options |= {"connection_class": _ASYNC_SENTINEL[where.kind], "max_connections": where.max_connections}
        pool: Any = AsyncSentinelPool(where.service, sentinels, **options)  # type: ignore[no-untyped-call]
    else:
        pool = AsyncPool(_ASYNC[where.kind], where.max_connections, **options)
    return aredis.Redis(connection_pool=pool)


def _sentinel_pools(where: Target, pool: Any, classes: dict[str, Any], retry: Any) -> list[Any]:
    """Return a pool of connections to each sentinel."""
    asking = where.sentinel_options | {"retry": retry(NoBackoff(), 0)}
    options = {"max_connections": where.max_connections, **asking}
    return [pool(classes[where.kind], host=host, port=port, **options) for host, port in where.sentinels]


def _options(where: Target, block: int) -> dict[str, Any]:
    options = dict(where.options)
    if block:
        options["socket_timeout"] += block
    return options


def _cluster(where: Target, options: dict[str, Any]) -> RedisCluster:
    host, port, _ = (options.pop(name) for name in ("host", "port", "db"))
    return RedisCluster(
        url=f"redis://{host}:{port}",  # only so do its nodes get pools of a class of ours
        startup_nodes=[ClusterNode(*address) for address in where.cluster],  # type: ignore[no-untyped-call]
        connection_class=_SYNC[where.kind],
        connection_pool_class=Pool,
        max_connections=where.max_connections,
        require_full_coverage=False,
        reinitialize_steps=0,
        **options,
    )


def _async_cluster(where: Target, options: dict[str, Any]) -> AsyncRedisCluster:
    for name in ("host", "port"):
        options.pop(name)
    nodes = [AsyncClusterNode(*address) for address in where.cluster]
    to = AsyncRedisCluster(
        startup_nodes=nodes,
        max_connections=where.max_connections,
        require_full_coverage=False,
        reinitialize_steps=0,  # each so many redirections it would close the connections that other tasks are using
        ssl=where.kind == "tls",
        **options,
    )
    # It takes no class of connection, but its nodes do: those it starts with, and those it will find.
    to.connection_kwargs["connection_class"] = _ASYNC[where.kind]
    for node in to.nodes_manager.startup_nodes.values():
        node.connection_class = _ASYNC[where.kind]
    return to
