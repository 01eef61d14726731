"""Iterators that are written once, and served to `for` and `async for`."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Any

import pytest
import redis
from django.core.exceptions import SynchronousOnlyOperation

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.core.iteration import Iteration
from django_redis_patterns.core.operations import IO, batch, both_iter

pytestmark = pytest.mark.permanent_keys("*")
closed: list[str] = []


class Roll:
    """A list, read two at a time."""

    connection = "default"

    async def _names(self, io: IO, key: str, *, start: int = 0) -> AsyncGenerator[str, None]:
        """Return the names, page by page."""
        try:
            while page := await io.redis.lrange(key, start, start + 1):
                for name in page:
                    yield name.decode()
                start += 2
        finally:
            closed.append(key)

    names = both_iter(_names)

    async def _waiting(self, io: IO, key: str) -> AsyncGenerator[str, None]:
        with io.block(1) as waiting:
            while told := await waiting.redis.blpop([key], timeout=0.1):
                yield told[1].decode()

    waiting = both_iter(_waiting)

    async def _broken(self, io: IO) -> AsyncGenerator[str, None]:
        yield "one"
        raise LookupError("mine")

    broken = both_iter(_broken)


async def _echoes(io: IO, *words: str) -> AsyncGenerator[str, None]:
    for word in words:
        yield (await io.redis.echo(word)).decode()


echoes = both_iter(_echoes)
roll = Roll()


class Backwards(Roll):
    """Overrides a body, and nothing else."""

    async def _names(self, io: IO, key: str, *, start: int = 0) -> AsyncGenerator[str, None]:
        async for name in super()._names(io, key, start=start):
            yield name[::-1]


@pytest.fixture(params=["for", "async for"])
def way(request: pytest.FixtureRequest) -> Any:
    return request.param


def taken(way: str, items: Iteration[Any], most: int = 1000) -> list[Any]:
    """Return the first items, and leave the loop."""
    if way == "for":
        return _taken(items, most)
    return asyncio.run(_ataken(items, most))


def _taken(items: Iterable[Any], most: int) -> list[Any]:
    found = []
    for item in items:
        found.append(item)
        if len(found) == most:
            break
    return found


async def _ataken(items: Iteration[Any], most: int) -> list[Any]:
    found = []
    async for item in items:
        found.append(item)
        if len(found) == most:
            break
    await adisconnect()
    return found


@pytest.fixture
def names(bare_redis: redis.Redis) -> str:
    bare_redis.rpush("names", "ann", "bob", "cid")
    return "names"


def test_both_loops_give_the_same(way: str, names: str) -> None:
    """In their order, to the end."""
    assert taken(way, roll.names(names)) == ["ann", "bob", "cid"]
    assert taken(way, roll.names(names, start=1)) == ["bob", "cid"]
    assert taken(way, roll.names("nothing")) == []


def test_each_loop_starts_anew(way: str, names: str, bare_redis: redis.Redis) -> None:
    """What is returned may be kept, and is read again."""
    kept = roll.names(names)
    assert taken(way, kept) == ["ann", "bob", "cid"]
    bare_redis.rpush(names, "dan")
    assert taken(way, kept) == ["ann", "bob", "cid", "dan"]


def test_pages_are_read_when_they_are_needed(way: str, names: str) -> None:
    """Nothing is sent before the loop, and one trip serves the first page."""
    with trace.record() as log:
        kept = roll.names(names)
        assert log.trips == 0
        assert taken(way, kept, most=2) == ["ann", "bob"]
    assert log.trips == 1


def test_a_loop_that_is_left_closes_the_body(way: str, names: str) -> None:
    """At once in `for`; with the loop's end in `async for`."""
    closed.clear()
    taken(way, roll.names(names), most=1)
    assert closed == ["names"]


def test_an_error_of_the_body_ends_the_loop(way: str) -> None:
    """After what was yielded before it."""
    with pytest.raises(LookupError, match="mine"):
        taken(way, roll.broken())
    assert taken(way, roll.broken(), most=1) == ["one"]


def test_iterators_may_wait(way: str, names: str) -> None:
    """On a connection of their own."""
    assert taken(way, roll.waiting(names)) == ["ann", "bob", "cid"]


def test_for_refuses_to_block_a_loop(names: str) -> None:
    """And names the cure."""

    async def main() -> None:
        for _ in roll.waiting(names):
            pass

    with pytest.raises(SynchronousOnlyOperation, match="async for"):
        asyncio.run(main())


def test_functions_are_iterators_too(way: str, one_node: None) -> None:
    """On the default connection."""
    assert taken(way, echoes("a", "b")) == ["a", "b"]


def test_a_subclass_overrides_the_body(way: str, names: str) -> None:
    assert taken(way, Backwards().names(names)) == ["nna", "bob", "dic"]


def test_a_batch_refuses_iterators() -> None:
    """Nobody knows how many trips one makes."""
    with pytest.raises(TypeError, match="sync face"), batch() as b:
        b(roll.names, "names")  # type: ignore[arg-type]


def test_faces_look_like_the_body() -> None:
    assert Roll.names.__name__ == "names"
    assert Roll.names.__doc__ == "Return the names, page by page."
