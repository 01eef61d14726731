"""redis-py clients by alias: one for all threads, one per running event loop; the only place that builds them.

Clients of closed loops are purged at each access, so ``async_to_sync`` in a loop does not pile up sockets. A forked
child starts with none.
"""

import asyncio
import os
import threading
from asyncio.selector_events import _SelectorTransport  # type: ignore[attr-defined]
from asyncio.sslproto import _SSLProtocolTransport
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeAlias

import redis
from redis import asyncio as aredis
from redis._parsers import Encoder
from redis.asyncio.cluster import ClusterNode as AsyncClusterNode
from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import PythonRespSerializer
from redis.retry import Retry

from . import guard
from .options import Target, target

# hiredis' packer crashes the process when a signal handler raises inside it; its parser does not.
_PACKER = PythonRespSerializer(6000, Encoder("utf-8", "strict", False).encode)  # type: ignore[no-untyped-call]
_SYNC = {"tcp": guard.GuardedConnection, "tls": guard.GuardedTLSConnection, "unix": guard.GuardedUnixConnection}
_ASYNC = {
    "tcp": guard.AsyncGuardedConnection,
    "tls": guard.AsyncGuardedTLSConnection,
    "unix": guard.AsyncGuardedUnixConnection,
}
#: How long a blocking command may block, in seconds; each step has connections of its own with a longer time-out.
BLOCK_STEPS = (1, 2, 5, 10, 30)

Client: TypeAlias = "redis.Redis | RedisCluster"
AsyncClient: TypeAlias = "aredis.Redis | AsyncRedisCluster"

_clients: dict[tuple[str, int], Client] = {}
_by_loop: dict[asyncio.AbstractEventLoop, dict[tuple[str, int], AsyncClient]] = {}
_inherited: list[Any] = []  # what a forked child must neither use nor close
_lock = threading.Lock()
_also_reset: list[Callable[[], None]] = []
_also_disconnect: list[Callable[[], Awaitable[None]]] = []


def client(alias: str = "default", *, block: float = 0) -> Client:
    """Return the plain redis-py client of *alias*: the escape hatch. Redis' own errors come through as they are."""
    slot = (alias, _step(block))
    found = _clients.get(slot)
    if found is None:
        with _lock:
            found = _clients.get(slot)
            if found is None:
                found = _clients[slot] = _build(_target(alias), slot[1])
    return found


async def aclient(alias: str = "default", *, block: float = 0) -> AsyncClient:
    """Return the plain asyncio client of *alias* for the running loop."""
    slot = (alias, _step(block))
    mine = _of_running_loop()
    found = mine.get(slot)
    if found is None:
        found = mine[slot] = _build_async(_target(alias), slot[1])
        await found.initialize()
    return found


async def adisconnect() -> None:
    """Close what the running loop has open: for the end of a program or a test."""
    for also in _also_disconnect:
        await also()
    for mine in _by_loop.pop(asyncio.get_running_loop(), {}).values():
        await mine.aclose()
        if not isinstance(mine, AsyncRedisCluster):
            await mine.connection_pool.disconnect()


def reset(**_: Any) -> None:
    """Drop every client: connection settings changed. Open subscriptions hear nothing more, and are told nothing."""
    _purge()
    _target.cache_clear()
    _clients.clear()
    _by_loop.clear()
    for also in _also_reset:
        also()


def on_reset(call: Callable[[], None]) -> None:
    """Call at each `reset`: for who keeps connections of its own."""
    _also_reset.append(call)


def on_adisconnect(call: Callable[[], Awaitable[None]]) -> None:
    """Call and await at each `adisconnect`."""
    _also_disconnect.append(call)


def _start_anew() -> None:
    """Drop the parent's clients in a forked child, without closing what shares a selector with the parent's loop."""
    global _lock
    _lock = threading.Lock()
    _inherited.append(dict(_by_loop))
    _clients.clear()
    _by_loop.clear()


os.register_at_fork(after_in_child=_start_anew)

_target = cache(target)  # reading a password file once per process is enough


def _step(block: float) -> int:
    if not block:
        return 0
    for step in BLOCK_STEPS:
        if block <= step:
            return step
    raise ValueError(f"io.block({block}) is over {BLOCK_STEPS[-1]} s: block in slices, so that a dead link is noticed.")


def _of_running_loop() -> dict[tuple[str, int], AsyncClient]:
    _purge()
    return _by_loop.setdefault(asyncio.get_running_loop(), {})


def _purge() -> None:
    for loop in [loop for loop in list(_by_loop) if loop.is_closed()]:
        for dead in _by_loop.pop(loop, {}).values():
            for connection in _connections_of(dead):
                abandon(connection)


def abandon(connection: Any) -> None:
    """Close the socket of an asyncio connection whose loop is gone; nothing can be awaited there any more."""
    writer, connection._reader, connection._writer = connection._writer, None, None
    transport = writer.transport if writer is not None else None
    if isinstance(transport, _SSLProtocolTransport):
        transport._closed = True
        transport = getattr(transport._ssl_protocol, "_transport", None)
    if isinstance(transport, _SelectorTransport):  # other loops close theirs with themselves
        sock, transport._sock, transport._closing = transport._sock, None, True
        if sock is not None:
            sock.close()


def _connections_of(dead: AsyncClient) -> list[Any]:
    if isinstance(dead, AsyncRedisCluster):
        return [connection for node in dead.get_nodes() for connection in node._connections]
    pool = dead.connection_pool
    return [*pool._available_connections, *pool._in_use_connections]


def _options(where: Target, block: int) -> dict[str, Any]:
    options = dict(where.options)
    if block:
        options["socket_timeout"] += block
    return options


def _build(where: Target, block: int) -> Client:
    options = _options(where, block) | {"retry": Retry(NoBackoff(), 0), "command_packer": _PACKER}
    connection_class = _SYNC[where.kind]
    if not where.cluster:
        pool = redis.ConnectionPool(connection_class, where.max_connections, **options)
        return redis.Redis(connection_pool=pool)
    host, port, _ = (options.pop(name) for name in ("host", "port", "db"))
    nodes = [ClusterNode(*address) for address in where.cluster]  # type: ignore[no-untyped-call]
    return RedisCluster(
        url=f"redis://{host}:{port}",
        startup_nodes=nodes,
        connection_class=connection_class,
        max_connections=where.max_connections,
        **options,
    )


def _build_async(where: Target, block: int) -> AsyncClient:
    options = _options(where, block) | {"retry": AsyncRetry(NoBackoff(), 0)}
    if not where.cluster:
        pool = aredis.ConnectionPool(_ASYNC[where.kind], where.max_connections, **options)
        return aredis.Redis(connection_pool=pool)
    for name in ("host", "port"):
        options.pop(name)
    nodes = [AsyncClusterNode(*address) for address in where.cluster]
    return AsyncRedisCluster(
        startup_nodes=nodes, max_connections=where.max_connections, ssl=where.kind == "tls", **options
    )
