"""Fixtures for pytest: ``from django_redis_patterns.testing.fixtures import *`` in a conftest.

redis_server
    a Redis of the test run's own.

face
    runs an operation in each of its ways: ``face(board.top, 10)``.

no_leaked_keys
    fails a test that leaves a key without a TTL on the default connection, unless
    ``@pytest.mark.permanent_keys("shop:boards:*")`` declares it.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextvars import copy_context
from fnmatch import fnmatchcase
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar, cast

import pytest

from django_redis_patterns.core.connections import adisconnect, client
from django_redis_patterns.core.operations import batch
from django_redis_patterns.testing.servers import RedisServer

__all__ = ["Face", "face", "no_leaked_keys", "redis_server"]

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
