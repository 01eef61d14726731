"""Rate limits beside a bare redis-py round trip, in the same interleaved run.

    python -m tests.benchmarks.limits [rounds]

Figures are median microseconds of one call by the sync face. ``x get`` is the ratio to a bare GET; ``trips`` and
``commands`` are counted, not guessed: those of one call, and those that its scripts call. Bytes are what one identity
takes in Redis after a hundred hits.
"""

import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import django
import redis
from django.conf import settings

from django_redis_patterns.testing.servers import RedisServer

Call = Callable[[str], Any]
OPEN = "1000000/h"
LOG = "5000/h"
RATES = {"log": (LOG, "4999/d", "4998/w")}


def lanes(client: redis.Redis) -> Iterator[tuple[str, Call]]:
    """Yield name and call."""
    from django_redis_patterns.ratelimit import Limiter, Rate
    from django_redis_patterns.ratelimit.evaluate import Charge, evaluate
    from django_redis_patterns.ratelimit.rules import ALGORITHMS, Rule

    sha = client.script_load("return 1")
    yield "bare GET", lambda who: client.get("x")
    yield "bare EVALSHA", lambda who: client.evalsha(sha, 0)
    for algorithm in ALGORITHMS:
        rates = RATES.get(algorithm, (OPEN, "2000000/d", "5000000/w"))
        for count in (1, 3):
            limiter = Limiter("bench", *rates[:count], algorithm=algorithm)
            yield f"{algorithm}, {count} rate{'s' * (count > 1)}", limiter.hit
    rules = [Rule(name=name, rates=(Rate.parse(OPEN),)) for name in ("burst", "api", "search")]
    yield "3 rules, 1 identity", lambda who: evaluate([Charge(rule, who) for rule in rules])
    yield "3 rules, 3 identities", lambda who: evaluate([Charge(rule, (rule.name, who)) for rule in rules])
    spent = Limiter("spent", "1/h")
    yield "denied already", lambda who: spent.hit("ann")
    yield "peek", Limiter("bench", OPEN).peek


def measure(lanes: list[tuple[str, Call]], rounds: int) -> dict[str, float]:
    """Return each lane's median, in microseconds; a round takes every lane once, in an order of its own."""
    times: dict[str, list[float]] = {name: [] for name, _ in lanes}
    for _ in range(rounds):
        for name, call in random.sample(lanes, len(lanes)):
            who = str(random.randrange(100))
            start = time.perf_counter()
            call(who)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) * 1e6 for name, taken in times.items()}


def counted(client: redis.Redis, call: Call) -> tuple[int, int]:
    """Return trips of one call and commands that ran for it, inside of scripts too."""
    from django_redis_patterns.core import trace

    call("counted")
    client.config_resetstat()
    with trace.record() as log:
        call("counted")
    stats: Any = client.info("commandstats")
    ran = sum(stat["calls"] for name, stat in stats.items() if not name.startswith(("cmdstat_info", "cmdstat_config")))
    return log.trips, ran


def bytes_of_an_identity(client: redis.Redis, algorithm: Any) -> int:
    """Return what a hundred hits leave."""
    from django_redis_patterns.ratelimit import Limiter

    client.flushdb()
    limiter = Limiter("bench", "1000/h", algorithm=algorithm)
    for _ in range(100):
        limiter.hit("ann")
    return sum(int(client.memory_usage(key) or 0) for key in client.scan_iter("*:ratelimit:*"))


def main(rounds: int = 2000) -> None:
    """Print the tables."""
    from django_redis_patterns.ratelimit.rules import ALGORITHMS

    with redis.Redis.from_url(os.environ["BENCH_REDIS"], protocol=2) as client:
        found = list(lanes(client))
        measure(found, 100)
        median = measure(found, rounds)
        print(f"{rounds} rounds\n{'':24}{'µs':>8}{'x get':>8}{'trips':>8}{'commands':>10}")
        for name, call in found:
            trips, commands = counted(client, call)
            trips = trips or int(name.startswith("bare"))
            print(f"{name:24}{median[name]:8.1f}{median[name] / median['bare GET']:8.2f}{trips:8}{commands:10}")
        for algorithm in ALGORITHMS:
            print(f"{algorithm:24}{bytes_of_an_identity(client, algorithm):8} bytes")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    with RedisServer() as server:
        os.environ["BENCH_REDIS"] = server.url
        settings.REDIS_PATTERNS["CONNECTIONS"]["default"]["URL"] = server.url
        django.setup()
        main(*map(int, sys.argv[1:]))
