"""A pool whose bound counts connections, and not how often a signal came at a bad moment."""

from weakref import WeakSet

import redis
from redis.sentinel import SentinelConnectionPool


class Pool(redis.ConnectionPool):
    """An exception out of a signal handler may keep a connection from being given back.

    Whoever held it is gone, so the pool does not hold it either: it is closed, and its place is free.
    """

    def reset(self) -> None:
        super().reset()
        self._in_use_connections = WeakSet()  # type: ignore[assignment]

    def make_connection(self) -> redis.connection.ConnectionInterface:
        self._created_connections = len(self._available_connections) + len(self._in_use_connections)
        return super().make_connection()


class SentinelPool(Pool, SentinelConnectionPool):
    """The same, for the primary that the sentinels name."""
