"""Fixtures for pytest: ``from django_redis_patterns.testing.fixtures import *`` in a conftest.

redis_server, tls_server
    a Redis of the test run's own: `RedisServer`. The other speaks TLS only, under the authority that is its ``tls``;
    its tests are skipped where the server at hand was built without TLS, or the package `trustme` is missing.

sentinel_trio, redis_cluster
    the same behind sentinels (`SentinelTrio`), or as a cluster of three primaries with a replica each (`RedisCluster`).

fault_proxy
    a network that fails on demand, in front of `redis_server`: `FaultProxy`. Each test gets a new one.

face
    runs an operation in each of its ways: ``face(board.top, 10)``.

no_leaked_keys
    fails a test that leaves a key without a TTL on the default connection, unless
    ``@pytest.mark.permanent_keys("shop:boards:*")`` declares it.

Servers are started for the first test that asks, and serve all tests until the end of the run. A test that kills or
freezes one has to ``restart`` or ``resume`` it; which one is a primary may be different in each test.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextvars import copy_context
from fnmatch import fnmatchcase
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar, cast

import pytest

from django_redis_patterns.core.connections import adisconnect, client
from django_redis_patterns.core.operations import batch
from django_redis_patterns.testing.cluster import RedisCluster
from django_redis_patterns.testing.proxy import FaultProxy
from django_redis_patterns.testing.sentinel import SentinelTrio
from django_redis_patterns.testing.servers import RedisServer, find_server, has_tls
from django_redis_patterns.testing.tls import Authority

__all__ = [
    "Face",
    "face",
    "fault_proxy",
    "no_leaked_keys",
    "redis_cluster",
    "redis_server",
    "sentinel_trio",
    "tls_server",
]

P = ParamSpec("P")
T = TypeVar("T")
Way: TypeAlias = Literal["sync", "async", "batch"]
WAYS: tuple[Way, ...] = ("sync", "async", "batch")


class Face:
    """Runs the operation that a sync face belongs to, in the way of its name."""

    def __init__(self, way: Way, runner: asyncio.Runner) -> None:
        self.way = way
        self._runner = runner

    def __call__(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self.way == "sync":
            return operation(*args, **kwargs)
        if self.way == "async":
            # In the caller's context, as it is now: a runner would keep the one of its first run.
            return cast(T, self._runner.run(_twin(operation)(*args, **kwargs), context=copy_context()))
        with batch() as together:
            pending = together(operation, *args, **kwargs)
        return pending.value


def _twin(operation: Callable[..., Any]) -> Callable[..., Any]:
    twin: Callable[..., Any] = operation.twin  # type: ignore[attr-defined]
    owner = getattr(operation, "__self__", None)
    return twin if owner is None else cast(Callable[..., Any], twin.__get__(owner))


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def tls_server() -> Iterator[RedisServer]:
    if not has_tls():
        pytest.skip(f"{find_server()} was built without TLS")
    pytest.importorskip("trustme", reason="trustme, which makes certificates, is not installed")
    with Authority() as authority, RedisServer(tls=authority) as server:
        yield server


@pytest.fixture(scope="session")
def sentinel_trio() -> Iterator[SentinelTrio]:
    with SentinelTrio() as trio:
        yield trio


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture
def fault_proxy(redis_server: RedisServer) -> Iterator[FaultProxy]:
    with FaultProxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture(params=WAYS)
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    with asyncio.Runner() as runner:
        yield Face(request.param, runner)
        runner.run(adisconnect())


@pytest.fixture
def no_leaked_keys(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    permanent = [pattern for marker in request.node.iter_markers("permanent_keys") for pattern in marker.args]
    redis = client()
    forever = [key.decode() for key in redis.scan_iter(count=1000) if redis.ttl(key) == -1]
    leaked = [key for key in forever if not any(fnmatchcase(key, pattern) for pattern in permanent)]
    if leaked:
        pytest.fail(f"Keys without a TTL were left behind: {', '.join(sorted(leaked))}")
