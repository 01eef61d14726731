"""redis-py clients by alias: one for all threads, one per running event loop.

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
from typing import Any

from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelConnectionPool
from redis.cluster import RedisCluster
from redis.sentinel import SentinelConnectionPool

from .build import AsyncClient, Client, build, build_async
from .options import Address, target

#: How long a blocking command may block, in seconds; each step has connections of its own with a longer time-out.
BLOCK_STEPS = (1, 2, 5, 10, 30)

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
                found = _clients[slot] = build(_target(alias), slot[1])
    return found


async def aclient(alias: str = "default", *, block: float = 0) -> AsyncClient:
    """Return the plain asyncio client of *alias* for the running loop."""
    slot = (alias, _step(block))
    mine = _of_running_loop()
    found = mine.get(slot)
    if found is None:
        found = mine[slot] = build_async(_target(alias), slot[1])
        await found.initialize()
    return found


def patience(alias: str) -> float:
    """Return how many seconds a call of *alias* may wait for a connection when all are in use."""
    return float(_target(alias).options["socket_connect_timeout"])


def is_cluster(alias: str) -> bool:
    """Return whether keys of *alias* lie on several nodes, so that one command serves one slot."""
    return bool(_target(alias).cluster)


def primary(alias: str, key: str) -> Address:
    """Return the node of the cluster *alias* that serves *key*, as far as this client knows."""
    return _serving(client(alias), key)


async def aprimary(alias: str, key: str) -> Address:
    """The same on the running event loop."""
    to = await aclient(alias)
    await to.initialize()  # another task may have made it, and be still at it
    return _serving(to, key)


def _serving(to: Any, key: str) -> Address:
    node = to.nodes_manager.get_node_from_slot(to.keyslot(key))
    return node.host, node.port


async def adisconnect() -> None:
    """Close what the running loop has open: for the end of a program or a test."""
    for also in _also_disconnect:
        await also()
    for mine in _by_loop.pop(asyncio.get_running_loop(), {}).values():
        await mine.aclose()
        for pool in _pools_of(mine):
            await pool.disconnect()


def reset(**_: Any) -> None:
    """Drop every client: connection settings changed. Open subscriptions hear nothing more, and are told nothing."""
    _purge()
    _target.cache_clear()
    while _clients:
        _close_idle(_clients.popitem()[1])
    _by_loop.clear()
    for also in _also_reset:
        also()


def _close_idle(dropped: Client) -> None:
    """Close what nobody is using, and leave the rest to who is."""
    if isinstance(dropped, RedisCluster):
        nodes = dropped.get_nodes()  # type: ignore[no-untyped-call]
        clients = [node.redis_connection for node in nodes if node.redis_connection]
    else:
        pool = dropped.connection_pool
        sentinels = pool.sentinel_manager.sentinels if isinstance(pool, SentinelConnectionPool) else []
        clients = [dropped, *sentinels]
    for one in clients:
        one.connection_pool.disconnect(inuse_connections=False)


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
            if isinstance(dead, AsyncRedisCluster):
                dead._initialize = True  # else it complains, when it goes, that nobody closed it


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
        nodes = [*dead.get_nodes(), *dead.nodes_manager.startup_nodes.values()]
        return [connection for node in nodes for connection in node._connections]
    return [one for pool in _pools_of(dead) for one in (*pool._available_connections, *pool._in_use_connections)]


def _pools_of(to: AsyncClient) -> list[Any]:
    """Return the pools of *to* and of its sentinels; a cluster's nodes have none."""
    if isinstance(to, AsyncRedisCluster):
        return []
    pool = to.connection_pool
    sentinels = pool.sentinel_manager.sentinels if isinstance(pool, AsyncSentinelConnectionPool) else []
    return [pool, *(sentinel.connection_pool for sentinel in sentinels)]
