"""Fixtures of the subscriber's tests."""

from collections.abc import Iterator

import pytest
import redis

from django_redis_patterns.core.subscriber import asynchronous, channels, threaded
from django_redis_patterns.testing.servers import RedisServer
from tests.core.desks import Desk, Loop, Thread, connected


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of this test's own, as the default connection."""
    with RedisServer() as server, connected(URL=server.url):
        yield server


@pytest.fixture
def admin(server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url, protocol=2) as admin:
        yield admin


@pytest.fixture(params=["loop", "thread"])
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    if request.param == "thread":
        yield Thread()
        threaded._reset()
    else:
        loop = Loop()
        yield loop
        loop.end()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become tenths."""
    for module in (asynchronous, threaded):
        monkeypatch.setattr(module, "TICK", 0.05)
    monkeypatch.setattr(channels, "LINGER", 3)
