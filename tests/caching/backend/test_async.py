"""The a-twins are native: they wait on the loop's own connection, and hop to no thread."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.core.cache.backends.base import BaseCache

from django_redis_patterns.caching import RedisCache
from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect

Act = Callable[[RedisCache], Coroutine[Any, Any, Any]]


def on_loop(act: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        try:
            return await act()
        finally:
            await adisconnect()

    return asyncio.run(run())


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was sent to a thread."""
    sent: list[Any] = []
    hop = SyncToAsync.__call__

    async def noted(self: SyncToAsync, *args: object, **kwargs: object) -> object:  # type: ignore[type-arg]
        sent.append(self.func)
        return await hop(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", noted)
    return sent


async def fifty() -> int:
    return 50


#: Each of Django's async methods, and in how many trips.
ACTS: dict[str, tuple[Act, int]] = {
    "aget": (lambda cache: cache.aget("n"), 1),
    "aset": (lambda cache: cache.aset("n", 2), 1),
    "aadd": (lambda cache: cache.aadd("n", 2), 1),
    "atouch": (lambda cache: cache.atouch("n", 5), 1),
    "adelete": (lambda cache: cache.adelete("n"), 1),
    "aget_many": (lambda cache: cache.aget_many(["n", "m"]), 1),
    "aset_many": (lambda cache: cache.aset_many({"n": 2, "m": 3}), 1),
    "adelete_many": (lambda cache: cache.adelete_many(["n", "m"]), 1),
    "aget_or_set": (lambda cache: cache.aget_or_set("key", fifty), 3),
    "ahas_key": (lambda cache: cache.ahas_key("n"), 1),
    "aincr": (lambda cache: cache.aincr("n"), 1),
    "adecr": (lambda cache: cache.adecr("n"), 1),
    "aincr_version": (lambda cache: cache.aincr_version("n"), 3),
    "adecr_version": (lambda cache: cache.adecr_version("n"), 3),
    "aclear": (lambda cache: cache.aclear(), 2),
    "aclose": (lambda cache: cache.aclose(), 0),
}


def test_no_async_method_of_django_is_forgotten() -> None:
    """One that Django adds would hop to a thread for each call."""
    theirs = {name for name, method in vars(BaseCache).items() if asyncio.iscoroutinefunction(method)}
    assert theirs == set(ACTS)


@pytest.mark.parametrize("name", ACTS)
def test_it_hops_to_no_thread(cache: RedisCache, hops: list[Any], one_node: None, name: str) -> None:
    """And takes as few trips as its sync twin."""
    act, trips = ACTS[name]
    cache.set_many({"n": 1, "m": 1}, 60)
    threads = set(threading.enumerate())
    with trace.record() as log:
        on_loop(lambda: act(cache))
    assert (hops, log.trips) == ([], trips)
    assert set(threading.enumerate()) <= threads


def test_tasks_do_not_wait_for_each_other(cache: RedisCache) -> None:
    """While one computes, another reads."""

    async def visit() -> list[str]:
        said: list[str] = []
        may_end = asyncio.Event()

        async def slow() -> str:
            await may_end.wait()
            return "slow"

        async def note(wait: Awaitable[Any]) -> None:
            said.append(await wait)

        async with asyncio.TaskGroup() as group:
            group.create_task(note(cache.aget_or_set("key", slow)))
            await asyncio.sleep(0.01)
            await note(cache.aget("other", "read"))
            may_end.set()
        return said

    assert on_loop(visit) == ["read", "slow"]


def test_one_computation_among_tasks(cache: RedisCache) -> None:
    """Twenty of one loop want what nobody has."""
    calls: list[int] = []

    async def compute() -> str:
        calls.append(1)
        await asyncio.sleep(0.05)
        return "value"

    async def visit() -> list[str]:
        return await asyncio.gather(*(cache.aget_or_set("key", compute) for _ in range(20)))

    assert on_loop(visit) == ["value"] * 20
    assert calls == [1]


def test_no_count_of_a_task_is_lost(cache: RedisCache) -> None:
    """Django's own loses them: its `aincr` is a get and a set."""

    async def visit() -> None:
        await asyncio.gather(*(cache.aincr("n") for _ in range(20)))

    cache.set("n", 0)
    on_loop(visit)
    assert cache.get("n") == 20


def test_a_plain_function_does_not_block_the_loop(cache: RedisCache, hops: list[Any]) -> None:
    """It may use the ORM, so it is called where Django's async views call such functions."""
    loop_thread = threading.get_ident()
    assert on_loop(lambda: cache.aget_or_set("key", threading.get_ident)) != loop_thread
    assert len(hops) == 1


def test_each_loop_has_its_own_connection(cache: RedisCache) -> None:
    """A cache that was used on a loop that is gone works on the next."""
    for number in range(3):
        on_loop(lambda number=number: cache.aset("n", number))  # type: ignore[misc]
    assert cache.get("n") == 2
