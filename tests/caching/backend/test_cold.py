"""A cold key: one computes it, others wait for it, and what was invalidated meanwhile is not stored."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.exceptions import SynchronousOnlyOperation

from django_redis_patterns.caching import RedisCache
from django_redis_patterns.caching.backend.lease import CLAIM, LEASE
from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.testing.fixtures import Face
from django_redis_patterns.testing.proxy import FaultProxy

from .conftest import Make

HERD = Path(__file__).with_name("herd.py")


@pytest.fixture
def face(face: Face) -> Face:
    """The ways that can wait."""
    if face.way == "batch":
        pytest.skip("it waits, which a batch cannot")
    return face


def test_a_cold_key_is_three_trips(cache: RedisCache, face: Face) -> None:
    """To look, to claim, to store; then one."""
    with trace.record() as log:
        assert face(cache.get_or_set, "key", lambda: "computed", 60) == "computed"
        assert face(cache.get_or_set, "key", lambda: "again", 60) == "computed"
    words = [told.command.split() for told in log.commands]
    assert [verb if verb == "GET" else script for verb, script, *_ in words] == [
        "GET",
        "claim.lua",
        "settle.lua",
        "GET",
    ]
    assert 58 <= cache.ttl("key") <= 60


def test_every_kind_of_default(cache: RedisCache, face: Face) -> None:
    """A value, None among them, a function, and a time to live of none, of nothing and for ever."""
    assert face(cache.get_or_set, "none", None, 60) is None
    assert cache.get("none", "miss") is None
    assert face(cache.get_or_set, "n", lambda: 7, 60) == 7
    assert cache.incr("n") == 8
    assert face(cache.get_or_set, "over", 1, 0) == 1
    assert not cache.has_key("over")
    assert face(cache.get_or_set, "ever", 1, None) == 1
    assert cache.ttl("ever") is None
    cache.delete("ever")


@pytest.mark.permanent_keys(":1:calls")
def test_one_computation_in_the_fleet(cache: RedisCache) -> None:
    """Three processes of eight threads: one call, and nobody waits much longer than it takes."""
    with herd(8, 0.3, 30), herd(8, 0.3, 30), herd(8, 0.3, 30) as (go, end):
        go()
        said = end()
    assert cache.get("calls") == 1
    assert len({text for one in said for text in one}) == 1


@pytest.mark.permanent_keys(":1:calls")
def test_the_next_one_takes_over_from_a_dead_one(cache: RedisCache) -> None:
    """A process that was killed keeps its lease, here a second, and no longer."""
    with herd(1, 60, 1) as (go, _):
        go()
        wait_until(lambda: cache.get("calls") == 1)
    assert cache.get_or_set("cold", lambda: "next", 60) == "next"


running: list[subprocess.Popen[str]] = []


@contextmanager
def herd(
    threads: int, seconds: float, lease: float
) -> Iterator[tuple[Callable[[], None], Callable[[], list[list[str]]]]]:
    """Start a process; the last of several gives what lets all of them go, and what they said. Killed at the end."""
    command = [sys.executable, str(HERD), str(threads), str(seconds), str(lease)]
    root = str(HERD.parents[3])
    process = subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": root}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    running.append(process)

    def go() -> None:
        for one in running:
            assert one.stdout is not None
            assert one.stdin is not None
            assert one.stdout.readline() == "ready\n"
        for one in running:
            one.stdin.write("\n")  # type: ignore[union-attr]
            one.stdin.flush()  # type: ignore[union-attr]

    def end() -> list[list[str]]:
        return [json.loads(one.communicate(timeout=30)[0]) for one in running]

    try:
        yield go, end
    finally:
        running.remove(process)
        process.kill()
        process.communicate()


def wait_until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.01)


class Slow:
    """A function that says when it is called, and returns when it may."""

    def __init__(self, value: str = "old") -> None:
        self.value = value
        self.called, self.may_return = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.called.set()
        assert self.may_return.wait(30)
        return self.value


@contextmanager
def computing(cache: RedisCache) -> Iterator[Any]:
    """While somebody computes "key"; ends the computation and gives what it returned."""
    slow = Slow()
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(cache.get_or_set, "key", slow, 60)
        try:
            assert slow.called.wait(30)
            yield result
        finally:
            slow.may_return.set()
        assert result.result() == "old"


INVALIDATE: dict[str, Callable[[RedisCache, redis.Redis], Any]] = {
    "delete": lambda cache, bare: cache.delete("key"),
    "delete_many": lambda cache, bare: cache.delete_many(["key", "other"]),
    "delete_pattern": lambda cache, bare: cache.delete_pattern("k*"),
    "clear": lambda cache, bare: cache.clear(),
    "set to nothing": lambda cache, bare: cache.set("key", 1, 0),
    "set and delete": lambda cache, bare: (cache.set("key", 1), cache.delete("key")),
    "by somebody else": lambda cache, bare: bare.delete(":1:key"),
    "a flush": lambda cache, bare: bare.flushall(),
}


@pytest.mark.parametrize("how", INVALIDATE)
def test_an_invalidation_beats_a_computation(cache: RedisCache, bare_redis: redis.Redis, how: str) -> None:
    """Whoever computes gets what it computed; nobody else ever does."""
    with computing(cache):
        INVALIDATE[how](cache, bare_redis)
    assert cache.get("key") is None
    assert cache.get_or_set("key", lambda: "new", 60) == "new"
    assert cache.get("key") == "new"


def test_an_old_value_does_not_take_the_place_of_a_new_computation(cache: RedisCache) -> None:
    """Invalidated, and begun anew by somebody else, before the first one is done."""
    newer = Slow("new")
    with ThreadPoolExecutor(1) as pool:
        with computing(cache):
            cache.delete("key")
            second = pool.submit(cache.get_or_set, "key", newer, 60)
            assert newer.called.wait(30)
        assert cache.get("key", "miss") == "miss"
        newer.may_return.set()
        assert second.result() == "new"
    assert cache.get("key") == "new"


@pytest.mark.parametrize("write", ["set", "add", "set_many"])
def test_a_write_beats_a_computation(cache: RedisCache, write: str) -> None:
    """The lease is nothing that a write has to respect."""
    with computing(cache):
        assert cache.set_many({"key": "mine"}) == [] if write == "set_many" else getattr(cache, write)("key", "mine")
    assert cache.get("key") == "mine"


def test_a_lease_is_nothing(cache: RedisCache, face: Face) -> None:
    """To whoever looks, there is no value as long as it is being computed."""
    before = trace.counters().get("caching.undecodable")
    with computing(cache):
        assert face(cache.get, "key", "miss") == "miss"
        assert face(cache.get_many, ["key"]) == {}
        assert trace.counters().get("caching.undecodable") == before
        assert not face(cache.has_key, "key")
        assert "key" not in cache
        assert not face(cache.set, "key", 1, xx=True)
        for method in (cache.incr, cache.incr_version):
            with pytest.raises(ValueError, match="not found"):
                face(method, "key")
    assert cache.get("key") == "old"
    cache.delete("key")
    with computing(cache):
        assert face(cache.incr, "key", 5, ignore_key_check=True) == 5
        assert cache.touch("key", 60)
    assert cache.get("key") == 5


@pytest.mark.parametrize("forged", ["\0lease:99999999999999:aa", "\0lease:", "\0lease:soon", "\0lease:1"])
def test_nobody_waits_for_a_lease_that_cannot_be(
    cache: RedisCache, bare_redis: redis.Redis, face: Face, forged: str
) -> None:
    """Of a server whose clock was ahead, or of somebody who only writes what looks like one."""
    bare_redis.set(":1:key", forged, ex=60)
    with trace.record() as log:
        assert face(cache.get_or_set, "key", "value", 60) == "value"
    assert (log.trips, cache.get("key")) == (3, "value")


def test_a_claim_may_run_twice(cache: RedisCache) -> None:
    """When its reply was lost: who has the lease is told so again, and does not wait for itself."""
    raw = cache.client.get_client()
    claims = [raw.eval(CLAIM.text, 1, ":1:key", LEASE, token, 30_000, "") for token in ("aa", "aa", "bb", "aa")]
    assert claims == [1, 1, 0, 1]


def test_a_prolonged_lease_ends_all_the_same(make: Make, cache: RedisCache) -> None:
    """Somebody touches the key, and its holder dies: the lease knows its own end."""
    brief = make(LEASE=0.2)
    with computing(brief):
        assert cache.touch("key", 600)
        assert cache.get_or_set("key", lambda: "next", 60) == "next"
    assert cache.get("key") == "next"


def test_a_late_value_is_stored(make: Make) -> None:
    """Whoever takes longer than a lease stores all the same, unless another one was faster, or it was invalidated."""
    brief = make(LEASE=0.05)

    def late() -> str:
        time.sleep(0.2)
        return "late"

    assert brief.get_or_set("alone", late, 60) == "late"
    assert brief.get("alone") == "late"
    with computing(brief):
        time.sleep(0.1)
        with pytest.raises(ZeroDivisionError):
            brief.get_or_set("key", lambda: 1 / 0, 60)
    assert brief.get("key") == "old"
    brief.delete("key")
    with computing(brief):
        time.sleep(0.1)
        brief.delete("key")
    assert not brief.has_key("key")


def test_a_failed_computation_is_the_next_ones_turn(cache: RedisCache, face: Face) -> None:
    """At once, whether the function failed or its value cannot be stored; the error is its caller's."""
    with pytest.raises(ZeroDivisionError):
        face(cache.get_or_set, "key", lambda: 1 / 0, 60)
    with pytest.raises(Exception, match="lambda"):
        face(cache.get_or_set, "key", lambda: lambda: None, 60)
    with trace.record() as log:
        assert face(cache.get_or_set, "key", lambda: "fine", 60) == "fine"
    assert log.trips == 3


def test_an_interrupted_computation_is_the_next_ones_turn(cache: RedisCache) -> None:
    """Ctrl-C while the function runs."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.get_or_set("key", interrupted, 60)
    with trace.record() as log:
        cache.get_or_set("key", "fine", 60)
    assert log.trips == 3


def test_a_cancelled_computation_is_the_next_ones_turn(cache: RedisCache) -> None:
    """A client that has gone takes its task with it, and not the lease."""

    async def visit() -> int:
        called = asyncio.Event()

        async def forever() -> None:
            called.set()
            await asyncio.sleep(60)

        task = asyncio.ensure_future(cache.aget_or_set("key", forever, 60))
        await called.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with trace.record() as log:
            assert await cache.aget_or_set("key", "fine", 60) == "fine"
        await adisconnect()
        return log.trips

    assert asyncio.run(visit()) == 3


def test_a_lease_whose_taker_is_cancelled_is_given_back(fault_proxy: FaultProxy, bare_redis: redis.Redis) -> None:
    """While its reply is on the way: nobody waits for a lease that nobody knows of."""
    cache = RedisCache(fault_proxy.url, {})

    async def visit() -> None:
        await cache.aget_or_set("warm", 1)
        fault_proxy.latency = 0.3
        task = asyncio.ensure_future(cache.aget_or_set("key", "value", 60))
        await asyncio.to_thread(wait_until, lambda: bool(bare_redis.exists(":1:key")))
        fault_proxy.heal()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await adisconnect()

    asyncio.run(visit())
    wait_until(lambda: not bare_redis.exists(":1:key"))
    assert cache.get_or_set("key", "next", 60) == "next"


def test_waiting_does_not_hold_up_an_event_loop(cache: RedisCache) -> None:
    """The sync face says so where it would, on every cold key and not now and then."""

    async def visit() -> None:
        with pytest.raises(SynchronousOnlyOperation):
            cache.get_or_set("key", 1)
        cache.set("key", 2)
        assert cache.get_or_set("key", 1) == 2

    asyncio.run(visit())
