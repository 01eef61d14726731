import os
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings
from django.test.signals import setting_changed

from django_redis_patterns.testing.fixtures import face, no_leaked_keys
from django_redis_patterns.testing.servers import RedisServer

SERVER = pytest.StashKey[RedisServer]()


def pytest_configure(config: pytest.Config) -> None:
    server = config.stash[SERVER] = RedisServer().start()
    os.environ["TEST_REDIS_URL"] = server.url  # for the programs that tests start
    settings.REDIS_PATTERNS["CONNECTIONS"]["default"]["URL"] = server.url
    setting_changed.send(object, setting="REDIS_PATTERNS", value=settings.REDIS_PATTERNS, enter=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    if server := config.stash.get(SERVER, None):
        server.stop()


def pytest_report_header(config: pytest.Config) -> str:
    return f"redis: {config.stash[SERVER].executable}"


@pytest.fixture(scope="session")
def redis_server(pytestconfig: pytest.Config) -> RedisServer:
    """The server of the default connection."""
    return pytestconfig.stash[SERVER]


@pytest.fixture(scope="session")
def bare_redis(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A client beside the library, to see what it left in Redis."""
    with redis.Redis.from_url(redis_server.url, protocol=2, decode_responses=True) as client:
        yield client


@pytest.fixture(autouse=True)
def clean_redis(bare_redis: redis.Redis, no_leaked_keys: None) -> None:
    bare_redis.flushall()
