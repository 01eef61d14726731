"""A server that fails on demand, as the default connection."""

from collections.abc import Iterator

import pytest
import redis

from django_redis_patterns.core.connections.breaker import breaker
from django_redis_patterns.testing.proxy import FaultProxy
from django_redis_patterns.testing.servers import RedisServer
from tests.core.desks import connected


@pytest.fixture(scope="module")
def victim() -> Iterator[RedisServer]:
    """What it acknowledged is there after a kill."""
    with RedisServer(options=["--appendonly", "yes", "--appendfsync", "always"]) as server:
        yield server


@pytest.fixture
def proxy(victim: RedisServer) -> Iterator[FaultProxy]:
    with FaultProxy(victim.port) as proxy, connected(URL=proxy.url, TIMEOUT=0.25, CONNECT_TIMEOUT=0.2):
        yield proxy


@pytest.fixture
def cutter(victim: RedisServer) -> Iterator[FaultProxy]:
    """For what is answered or cut off, but never kept waiting: however busy the machine is, no time runs out."""
    with FaultProxy(victim.port) as proxy, connected(URL=proxy.url, TIMEOUT=5.0, CONNECT_TIMEOUT=5.0):
        yield proxy


@pytest.fixture
def admin(victim: RedisServer) -> Iterator[redis.Redis]:
    """Past the proxy and the library."""
    with redis.Redis.from_url(victim.url, protocol=2, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture(autouse=True)
def fresh_breaker() -> None:
    """Each fault meets a library that has seen none."""
    breaker.cache_clear()
