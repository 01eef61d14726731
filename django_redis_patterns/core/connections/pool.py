"""Pools without redis-py's metrics and events, which cost as much as a short command.

The bound of the one for threads counts connections, and not how often a signal came at a bad moment.
"""

from typing import Any
from weakref import WeakSet

import redis
from redis import asyncio as aredis
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelConnectionPool
from redis.connection import ConnectionInterface
from redis.exceptions import ConnectionError, TimeoutError
from redis.sentinel import SentinelConnectionPool

from .errors import mark_unsent


class Pool(redis.ConnectionPool):
    """An exception out of a signal handler may keep a connection from being given back.

    Whoever held it is gone, so the pool does not hold it either: it is closed, and its place is free.
    """

    def reset(self) -> None:
        super().reset()
        self._in_use_connections = WeakSet()  # type: ignore[assignment]

    def make_connection(self) -> ConnectionInterface:
        self._created_connections = len(self._available_connections) + len(self._in_use_connections)
        return super().make_connection()

    def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        """Return one that is connected and owes no reply."""
        self._checkpid()
        with self._lock:
            connection: Any = (
                self._available_connections.pop() if self._available_connections else self.make_connection()
            )
            self._in_use_connections.add(connection)
        try:
            connection.connect()
            if not _is_quiet(connection):
                connection.disconnect()
                connection.connect()
                if not _is_quiet(connection):
                    raise _not_ready()
        except BaseException:
            self.release(connection)
            raise
        return connection

    def release(self, connection: Any) -> None:
        """Take it back; one that owes a reply, or leads to who is no primary any more, is closed."""
        self._checkpid()
        with self._lock:
            if connection not in self._in_use_connections:
                return
            self._in_use_connections.remove(connection)
            if not self.owns_connection(connection):
                connection.disconnect()
                return
            if connection.should_reconnect():
                connection.disconnect()
            self._available_connections.append(connection)


def _not_ready() -> ConnectionError:
    error = ConnectionError("The server talks before it is asked.")
    mark_unsent(error)
    return error


def _is_quiet(connection: Any) -> bool:
    """Return whether the server has neither hung up nor said what nobody asked for."""
    try:
        return not connection.can_read()
    except (ConnectionError, TimeoutError, OSError):
        return False


class AsyncPool(aredis.ConnectionPool):
    """For an event loop."""

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        """Return one that is connected and owes no reply."""
        connection = self.get_available_connection()  # type: ignore[no-untyped-call]
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection: Any) -> None:
        """Take it back; one that owes a reply is closed."""
        self._in_use_connections.remove(connection)
        if connection.should_reconnect():
            await connection.disconnect()
        self._available_connections.append(connection)


class SentinelPool(Pool, SentinelConnectionPool):
    """The same, for the primary that the sentinels name."""


class AsyncSentinelPool(AsyncPool, AsyncSentinelConnectionPool):
    """The same for an event loop."""
