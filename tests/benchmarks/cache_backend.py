"""The backend for CACHES beside django-redis and a bare redis-py round trip, in the same interleaved run.

    python -m tests.benchmarks.cache_backend [rounds]

Figures are median microseconds of one call with a small value; ``x bare`` is the ratio to a bare GET of the same face.
``trips`` and ``commands`` are counted, not guessed: trips of our calls, and commands that ran in Redis for one call,
inside of scripts too. The async calls are awaited one after the other on one loop; django-redis' hop to a thread.
"""

import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import django
import redis
from django.conf import settings
from redis import asyncio as aredis

from django_redis_patterns.testing.servers import RedisServer

Call = Callable[[], Any]
Lanes = dict[str, Call]

VALUE = {"name": "Ann", "scores": [1, 2, 3]}
TEN = {f"key{number}": VALUE for number in range(10)}
BARE = "bare GET"


def lanes(bare: redis.Redis) -> Lanes:
    """Return the sync calls by name."""
    found: Lanes = {BARE: lambda: bare.get("bare"), "bare SET": lambda: bare.set("bare", b"x" * 60, px=60_000)}
    for name, cache in _caches().items():
        found |= {
            f"{name} get": lambda cache=cache: cache.get("key0"),
            f"{name} get, integer": lambda cache=cache: cache.get("n"),
            f"{name} get, miss": lambda cache=cache: cache.get("missing"),
            f"{name} set": lambda cache=cache: cache.set("key0", VALUE, 60),
            f"{name} get_or_set, hit": lambda cache=cache: cache.get_or_set("key0", VALUE, 60),
            f"{name} incr": lambda cache=cache: cache.incr("n"),
            f"{name} has_key": lambda cache=cache: cache.has_key("key0"),
            f"{name} get_many, 10": lambda cache=cache: cache.get_many(TEN),
            f"{name} set_many, 10": lambda cache=cache: cache.set_many(TEN, 60),
            f"{name} delete_many, 10": lambda cache=cache: cache.delete_many(f"gone{n}" for n in range(10)),
        }
    return found


def async_lanes(bare: aredis.Redis) -> dict[str, Callable[[], Coroutine[Any, Any, Any]]]:
    """Return the async calls by name."""
    found: dict[str, Any] = {BARE: lambda: bare.get("bare")}
    for name, cache in _caches().items():
        found |= {
            f"{name} aget": lambda cache=cache: cache.aget("key0"),
            f"{name} aset": lambda cache=cache: cache.aset("key0", VALUE, 60),
            f"{name} aget_many, 10": lambda cache=cache: cache.aget_many(TEN),
        }
    return found


def measure(lanes: Lanes, rounds: int) -> dict[str, float]:
    """Return each lane's median, in microseconds; a round takes every lane once, in an order of its own."""
    times: dict[str, list[float]] = {name: [] for name in lanes}
    for _ in range(rounds):
        for name, call in random.sample([*lanes.items()], len(lanes)):
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) * 1e6 for name, taken in times.items()}


async def ameasure(rounds: int) -> dict[str, float]:
    """The same, awaited."""
    from django_redis_patterns.core.connections import adisconnect

    async with aredis.Redis.from_url(os.environ["BENCH_REDIS"], protocol=2) as bare:
        lanes = async_lanes(bare)
        times: dict[str, list[float]] = {name: [] for name in lanes}
        for _ in range(rounds):
            for name, call in random.sample([*lanes.items()], len(lanes)):
                start = time.perf_counter()
                await call()
                times[name].append(time.perf_counter() - start)
        await adisconnect()
    return {name: statistics.median(taken) * 1e6 for name, taken in times.items()}


def counted(client: redis.Redis, call: Call) -> tuple[int, int]:
    """Return trips of one call and commands that ran for it, inside of scripts too."""
    from django_redis_patterns.core import trace

    call()
    client.config_resetstat()
    with trace.record() as log:
        call()
    stats: Any = client.info("commandstats")
    ran = sum(stat["calls"] for name, stat in stats.items() if not name.startswith(("cmdstat_info", "cmdstat_config")))
    return log.trips, ran


def main(rounds: int = 2000) -> None:
    """Print the tables."""
    with redis.Redis.from_url(os.environ["BENCH_REDIS"], protocol=2) as client:
        for cache in _caches().values():
            cache.set_many(TEN | {"n": 1}, None)
        client.set("bare", b"x" * 60)
        found = lanes(client)
        measure(found, 100)
        median = measure(found, rounds)
        print(f"{rounds} rounds\n{'':30}{'µs':>8}{'x bare':>8}{'trips':>8}{'commands':>10}")
        for name, call in found.items():
            trips, ran = counted(client, call)
            shown = str(trips) if name.startswith("ours") else ""
            print(f"{name:30}{median[name]:8.1f}{median[name] / median[BARE]:8.2f}{shown:>8}{ran:10}")
        median = asyncio.run(ameasure(rounds))
        print(f"\nawaited\n{'':30}{'µs':>8}{'x bare':>8}")
        for name, taken in median.items():
            print(f"{name:30}{taken:8.1f}{taken / median[BARE]:8.2f}")


def _caches() -> dict[str, Any]:
    from django_redis.cache import RedisCache as Theirs

    from django_redis_patterns.caching import RedisCache

    url = os.environ["BENCH_REDIS"]
    return {"ours": RedisCache(url, {}), "django-redis": Theirs(url, {"KEY_PREFIX": "theirs"})}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    with RedisServer() as server:
        os.environ["BENCH_REDIS"] = server.url
        settings.REDIS_PATTERNS["CONNECTIONS"]["default"]["URL"] = server.url
        django.setup()
        main(*map(int, sys.argv[1:]))
