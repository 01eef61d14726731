import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test.signals import setting_changed
from hypothesis import settings as hypothesis

from django_redis_patterns.core import connections
from django_redis_patterns.testing.fixtures import face, no_leaked_keys
from django_redis_patterns.testing.servers import RedisServer, find_server
from tests.djangos_tests import djangos_tests
from tests.topologies import TOPOLOGIES, Topology

TOPOLOGY = pytest.StashKey[Topology]()

# Every day the same examples, however slow the machine is; HYPOTHESIS_PROFILE=default looks for new ones.
hypothesis.register_profile("everyday", derandomize=True, deadline=None)
hypothesis.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everyday"))


def pytest_configure(config: pytest.Config) -> None:
    topology = config.stash[TOPOLOGY] = TOPOLOGIES[os.environ.get("REDIS_TOPOLOGY", "standalone")]()
    os.environ["TEST_REDIS_CONNECTION"] = json.dumps(topology.connection)  # for the programs that tests start
    settings.REDIS_PATTERNS["CONNECTIONS"]["default"] = topology.connection
    setting_changed.send(object, setting="REDIS_PATTERNS", value=settings.REDIS_PATTERNS, enter=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    connections.reset()
    if topology := config.stash.get(TOPOLOGY, None):
        topology.stop()


def pytest_report_header(config: pytest.Config) -> str:
    return f"redis: {find_server()}, {config.stash[TOPOLOGY].name}"


@pytest.fixture(scope="session")
def redis_server(pytestconfig: pytest.Config) -> RedisServer:
    """The server of the default connection, where that is one server."""
    topology = pytestconfig.stash[TOPOLOGY]
    if topology.server is None:
        pytest.skip(f"about one server, and this is {topology.name}")
    return topology.server


@pytest.fixture(scope="session")
def bare_redis(pytestconfig: pytest.Config) -> Iterator[redis.Redis]:
    """A client beside the library, to see what it left in Redis."""
    client: Any = pytestconfig.stash[TOPOLOGY].bare()
    yield client
    client.close()


@pytest.fixture
def one_node(pytestconfig: pytest.Config) -> None:
    """For a test that counts trips to one node, or hears what one node says."""
    if pytestconfig.stash[TOPOLOGY].name == "cluster":
        pytest.skip("about one node, and this is a cluster")


@pytest.fixture(autouse=True)
def clean_redis(bare_redis: redis.Redis, no_leaked_keys: None) -> None:
    bare_redis.flushall()
