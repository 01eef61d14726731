"""Where the suite's default connection leads: ``REDIS_TOPOLOGY=standalone`` (the default), cluster, sentinel, tls, acl.

Tests that ask for the fixture `redis_server` are about one server, and are skipped elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from django_redis_patterns.testing.cluster import RedisCluster
from django_redis_patterns.testing.servers import RedisServer


@dataclass
class Topology:
    """What runs, how the library is told of it, and how a test looks at it past the library."""

    name: str
    connection: dict[str, Any]
    bare: Callable[[], Any]
    stop: Callable[[], None]
    server: RedisServer | None = None


def standalone() -> Topology:
    server = RedisServer().start()
    return Topology("standalone", {"URL": server.url}, lambda: _client(server.url), server.stop, server)


def cluster() -> Topology:
    running = RedisCluster().start()

    def bare() -> Any:
        return redis.RedisCluster.from_url(running.urls[0], protocol=2, decode_responses=True)

    return Topology("cluster", {"CLUSTER": running.urls}, bare, running.stop)


def _client(url: str, **options: Any) -> redis.Redis:
    return redis.Redis.from_url(url, protocol=2, decode_responses=True, **options)


TOPOLOGIES: dict[str, Callable[[], Topology]] = {start.__name__: start for start in (standalone, cluster)}
