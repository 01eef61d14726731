"""Calls that are interrupted at any moment, and the replies of all others."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from redis.exceptions import RedisClusterException

from django_redis_patterns.core.connections import aclient, adisconnect, client
from django_redis_patterns.testing.cluster import RedisCluster
from django_redis_patterns.testing.sentinel import SentinelTrio
from django_redis_patterns.testing.servers import RedisServer
from tests.core.desks import connected

pytestmark = [
    pytest.mark.permanent_keys("*"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*unclosed"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SECONDS = 5.0
NAMES = 50


class Interrupted(Exception):
    pass


@contextmanager
def standalone() -> Iterator[None]:
    """In database 1: a connection interrupted before its SELECT would answer from 0, where the foreigners are."""
    with RedisServer() as server, redis.Redis.from_url(server.url, protocol=2) as foreign:
        foreign.mset({f"k{number}": "foreign" for number in range(NAMES)})
        with connected(URL=server.url.replace("/0", "/1")):
            yield


@contextmanager
def sentinel() -> Iterator[None]:
    with SentinelTrio() as trio, redis.Redis.from_url(trio.primary.url, protocol=2) as foreign:
        foreign.mset({f"k{number}": "foreign" for number in range(NAMES)})
        with connected(**trio.connection, DB=1):
            yield


@contextmanager
def cluster() -> Iterator[None]:
    with RedisCluster(replicas=0) as cluster, connected(CLUSTER=cluster.urls):
        yield


@pytest.fixture(params=[standalone, sentinel, cluster], ids=lambda topology: topology.__name__)
def names(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    with request.param():
        names = [f"k{number}" for number in range(NAMES)]
        for name in names:
            client().set(name, name.upper())
        yield names


def get(name: str, seconds: float) -> Any:
    """Return the value of *name*, or None when the alarm of *seconds* came first."""
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            return client().get(name)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except (Interrupted, redis.RedisError, RedisClusterException):
        return None
    except TypeError:  # redis-py swallows what interrupts it while it reads a sentinel's state, and stumbles over it
        return None


@contextmanager
def alarmed() -> Iterator[None]:
    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_signals_in_mid_call(names: list[str]) -> None:
    """Exceptions out of signal handlers never make one call answer another, and do not use up pool or descriptors."""
    replies: list[tuple[str, Any]] = []
    end = time.monotonic() + SECONDS
    with alarmed():
        while time.monotonic() < end:
            name = random.choice(names)
            replies.append((name, get(name, random.uniform(0.00002, 0.0003))))
    interrupted = [name for name, value in replies if value is None]
    assert len(interrupted) > 100
    assert [(name, value) for name, value in replies if value not in (None, name.upper().encode())] == []
    for name in names:
        assert client().get(name) == name.upper().encode()
    assert open_files() < 150


def test_cancellation_in_mid_call(names: list[str]) -> None:
    """The same for tasks that are cancelled at random moments, alone and in the middle of many."""
    wrong: list[Any] = []
    counts = {"right": 0, "cancelled": 0}

    async def ask(name: str) -> None:
        to: Any = await aclient()
        value = await to.get(name)
        counts["right"] += 1
        if value != name.upper().encode():
            wrong.append((name, value))

    async def ask_for(name: str, seconds: float) -> None:
        task = asyncio.create_task(ask(name))
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            counts["cancelled"] += 1
            task.cancel()
        await asyncio.wait([task])

    async def main() -> None:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            few = random.sample(names, 20)
            await asyncio.gather(*(ask_for(name, random.choice((5, random.uniform(0, 0.003)))) for name in few))
        await asyncio.gather(*map(ask, names))
        await adisconnect()

    asyncio.run(main())
    assert wrong == []
    assert counts["cancelled"] > 100 < counts["right"]
    assert open_files() < 150
