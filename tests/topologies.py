"""Where the default connection leads: ``REDIS_TOPOLOGY`` = standalone (the default), cluster, sentinel, tls, acl.

Tests that ask for the fixture `redis_server` are about one server, and are skipped elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from django_redis_patterns.testing.acl import User
from django_redis_patterns.testing.cluster import RedisCluster
from django_redis_patterns.testing.sentinel import SentinelTrio
from django_redis_patterns.testing.servers import RedisServer
from django_redis_patterns.testing.tls import Authority


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


def sentinel() -> Topology:
    trio = SentinelTrio().start()
    return Topology("sentinel", trio.connection, lambda: _client(trio.primary.url), trio.stop)


def tls() -> Topology:
    authority = Authority()
    server = RedisServer(tls=authority).start()

    def stop() -> None:
        server.stop()
        authority.close()

    return Topology("tls", server.connection, lambda: server.client(decode_responses=True), stop)


def acl() -> Topology:
    """Everything but what is dangerous, on the suite's keys and channels, and no user without a password."""
    rules = "~* &* +@all -@admin -@dangerous +info"
    users = {"app": User("s3cret", rules), "root": User("r00t")}
    server = RedisServer(users=users).start()
    url = server.url.replace("//", "//app:s3cret@", 1)
    root = server.url.replace("//", "//root:r00t@", 1)
    return Topology("acl", {"URL": url}, lambda: _client(root), server.stop)


def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, protocol=2, decode_responses=True)


TOPOLOGIES: dict[str, Callable[[], Topology]] = {
    start.__name__: start for start in (standalone, cluster, sentinel, tls, acl)
}
