"""Cached functions beside bare Redis commands and other people's caches, in the same interleaved run.

    python -m tests.benchmarks.caching [rounds]

Figures are medians of one call in microseconds, taken in rows of ten. ``x get`` is how often it fits into a bare GET of
redis-py, for what is awaited into one on the event loop; ``trips`` and ``commands`` are counted, not guessed: those of
one call, and those that its scripts call. Below: a cold key that 3 processes with 16 callers each want at once, and
invalidations while there are ten thousand copies in the process.
"""

import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any

import django
import redis
from django.conf import settings
from redis import asyncio as aredis

from django_redis_patterns.testing.servers import RedisServer

Call = Callable[[], Any]
ACall = Callable[[], Awaitable[Any]]
ROW = range(10)
VALUE = {"id": 7, "name": "ann", "scores": [3.5, 4.25], "friends": ["bob", "eve"]}


def url() -> str:
    return str(settings.REDIS_PATTERNS["CONNECTIONS"]["default"]["URL"])


@cache
def bare() -> redis.Redis:
    """A client of redis-py, as everybody has one."""
    return redis.Redis.from_url(url(), protocol=2)


def function(name: str, value: Any = VALUE) -> Any:
    """Return a function to decorate."""

    def made(number: int, limit: int = 10) -> Any:
        return value

    made.__qualname__ = name
    return made


def ours() -> Iterator[tuple[str, Call]]:
    """Yield name and call."""
    from django_redis_patterns.caching import RedisCache, cached, invalidate_tags

    plain, tagged = cached(ttl=300)(function("plain")), cached(ttl=300, tags=["a", "n:{number}"])(function("tagged"))
    stale, aside = cached(ttl=300, stale=60)(function("stale")), cached(ttl=300)(function("aside"))
    near, number = cached(ttl=300, near=True)(function("near")), cached(ttl=300, near=True)(function("number", 7))
    backend: Any = RedisCache(url(), {"KEY_PREFIX": "ours"})
    backend.set("x", VALUE)
    yield "hit", lambda: plain(7)
    yield "hit, 2 tags", lambda: tagged(7)
    yield "hit, stale=60", lambda: stale(7)
    yield "near hit", lambda: near(7)
    yield "near hit, a number", lambda: number(7)
    yield "invalidate and miss", lambda: (aside.invalidate(7), aside(7))
    yield "invalidate", lambda: aside.invalidate(8)
    yield "invalidate 10 tags", lambda: invalidate_tags(*(f"t:{n}" for n in range(10)))
    yield "RedisCache.get", lambda: backend.get("x")


def theirs() -> Iterator[tuple[str, Call]]:
    """Yield what others have, as far as it is installed."""
    from django.core.cache.backends.redis import RedisCache as Core
    from django_redis.cache import RedisCache as DjangoRedis

    core, django_redis = Core(url(), {"KEY_PREFIX": "core"}), DjangoRedis(url(), {"KEY_PREFIX": "django-redis"})
    for one in (core, django_redis):
        one.set("x", VALUE)
    yield "Django's cache.get", lambda: core.get("x")
    yield "django-redis get", lambda: django_redis.get("x")
    if find_spec("dogpile"):
        from dogpile.cache import make_region

        region = make_region().configure("dogpile.cache.redis", arguments={"url": url(), "distributed_lock": True})
        dogpile = region.cache_on_arguments()(function("dogpile"))
        yield "dogpile hit", lambda: dogpile(7)


def awaited() -> Iterator[tuple[str, ACall]]:
    """Yield what is awaited: the bare command first."""
    from django.core.cache.backends.redis import RedisCache as Core

    from django_redis_patterns.caching import RedisCache, cached

    bare_on_loop = aredis.Redis.from_url(url(), protocol=2)

    @cached(ttl=300)
    async def plain(number: int, limit: int = 10) -> Any:
        return VALUE

    backend: Any = RedisCache(url(), {"KEY_PREFIX": "ours"})
    core = Core(url(), {"KEY_PREFIX": "core"})
    yield "bare GET", lambda: bare_on_loop.get("x")
    yield "await hit", lambda: plain(7)
    yield "await RedisCache.aget", lambda: backend.aget("x")
    yield "await Django's aget", lambda: core.aget("x")
    if find_spec("cashews"):
        from cashews import cache as cashews

        cashews.setup(url())

        @cashews(ttl="5m")
        async def theirs(number: int, limit: int = 10) -> Any:
            return VALUE

        yield "await cashews hit", lambda: theirs(7)


def measure(lanes: list[tuple[str, Call]], rounds: int) -> dict[str, float]:
    """Return each lane's median, in microseconds; a round takes every lane once, in an order of its own."""
    times: dict[str, list[float]] = {name: [] for name, _ in lanes}
    for _ in range(rounds):
        for name, call in random.sample(lanes, len(lanes)):
            start = time.perf_counter()
            for _ in ROW:
                call()
            times[name].append((time.perf_counter() - start) / len(ROW))
    return {name: statistics.median(taken) * 1e6 for name, taken in times.items()}


async def ameasure(rounds: int) -> dict[str, float]:
    """Do the same with what is awaited, by one task."""
    from django_redis_patterns.core.connections import adisconnect

    lanes = list(awaited())
    times: dict[str, list[float]] = {name: [] for name, _ in lanes}
    for count in range(rounds + 10):
        for name, call in random.sample(lanes, len(lanes)):
            start = time.perf_counter()
            for _ in ROW:
                await call()
            if count >= 10:  # the first rounds warm up
                times[name].append((time.perf_counter() - start) / len(ROW))
    await adisconnect()
    return {name: statistics.median(taken) * 1e6 for name, taken in times.items()}


def counted(call: Call) -> tuple[str, int]:
    """Return trips of one call, of those that are ours, and commands that ran for it, inside of scripts too."""
    from django_redis_patterns.core import trace

    call()
    bare().config_resetstat()
    with trace.record() as log:
        call()
    stats: Any = bare().info("commandstats")
    aside = ("cmdstat_info", "cmdstat_config", "cmdstat_ping")
    ran = sum(stat["calls"] for name, stat in stats.items() if not name.startswith(aside))
    return str(log.trips or ""), ran


def hits(rounds: int) -> None:
    """Print what one call costs."""
    bare().set("x", json.dumps(VALUE))
    sha = bare().script_load("return redis.call('GET', KEYS[1])")
    floor: list[tuple[str, Call]] = [
        ("bare GET", lambda: bare().get("x")),
        ("bare EVALSHA", lambda: bare().evalsha(sha, 1, "x")),
    ]
    lanes = [*floor, *ours(), *theirs()]
    commands = {name: counted(call) for name, call in lanes if not name.startswith("near")}
    until_near(lanes)
    measure(lanes, 10)
    median = measure(lanes, rounds)
    print(f"{rounds} rounds\n{'':24}{'µs':>8}{'x get':>8}{'trips':>8}{'commands':>10}")
    for name, _ in lanes:
        trips, ran = commands.get(name, ("0", 0))  # of near hits there are beats besides
        print(f"{name:24}{median[name]:8.1f}{median['bare GET'] / median[name]:8.2f}{trips:>8}{ran:10}")
    on_loop = asyncio.run(ameasure(rounds // 2))
    for name, taken in on_loop.items():
        print(f"{name:24}{taken:8.1f}{on_loop['bare GET'] / taken:8.2f}")


def until_near(lanes: list[tuple[str, Call]]) -> None:
    """Return when the near lanes have copies."""
    from django_redis_patterns.core import trace

    for name, call in lanes:
        call()
        while name.startswith("near"):
            with trace.record() as log:
                call()
            if not log.trips:
                break
            time.sleep(0.02)


def herd(rounds: int, seconds: float) -> None:
    """Print how often a function of so many seconds is called, and how long the slowest caller waits for it."""
    from tests.caching.fleet import Process, is_up

    fleet = [Process({"URL": url()}, url()) for _ in range(3)]
    try:
        assert all(map(is_up, fleet))
        told = []
        for number in range(rounds + 1):  # the first one warms up
            for process in fleet:
                process.say("herd", 16, f"key {number}", seconds)
            told.append([process.hear() for process in fleet])
    finally:
        for process in fleet:
            process.end()
    calls = [sum(one["calls"] for one in several) for several in told[1:]]
    slowest = [max(one["slowest"] for one in several) / seconds for several in told[1:]]
    print(f"{seconds:g} s, 3 x 16 callers: {statistics.mean(calls):.1f} calls, the slowest caller waits", end=" ")
    print(f"{statistics.median(slowest):.2f} x the function's time, at worst {max(slowest):.2f} x")


def invalidations(rounds: int, count: int = 10_000) -> None:
    """Print what 200 of them cost, without copies, with *count* of them, and in one commit."""
    from django_redis_patterns.caching import cached, invalidate_tags, near

    far: Any = cached(ttl=300, tags=["f:{number}"])(function("far", 7))
    many: Any = cached(ttl=300, near=True, tags=["n:{number}"])(function("many", 7))
    until_near([("near", lambda: many("first"))])
    here = near.near("default")

    def fill() -> None:
        for number in range(count - len(here.copies)):
            call = many.call_of(number)
            with here.filling(call, list(here.links.values())) as filling:
                filling.offer(7, 300_000)

    def change(one: Any, tag: str) -> None:
        for number in range(100):
            one.invalidate(number)
            invalidate_tags(f"{tag}:{number + 100}")

    ways: dict[str, Call] = {
        "300 bare GETs": lambda: [bare().get("x") for _ in range(300)],
        "200 without copies": lambda: change(far, "f"),
        f"200 of {count} copies": lambda: change(many, "n"),
        "200 tags at once": lambda: invalidate_tags(*(f"n:{number}" for number in range(200))),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name in random.sample(list(ways), len(ways)):
            fill()
            start = time.perf_counter()
            ways[name]()
            taken[name].append(time.perf_counter() - start)
    floor = statistics.median(taken["300 bare GETs"])
    for name, several in taken.items():
        median = statistics.median(several)
        print(f"{name:24}{median * 1e3:8.1f} ms, {median / floor:.2f} x 300 bare GETs")


def main(rounds: int = 500) -> None:
    """Print everything."""
    hits(rounds)
    herd(10, 0.5)
    invalidations(10)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    with RedisServer() as server:
        settings.REDIS_PATTERNS["CONNECTIONS"]["default"]["URL"] = server.url
        django.setup()
        main(*map(int, sys.argv[1:]))
