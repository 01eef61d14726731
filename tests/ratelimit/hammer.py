"""A process that hits limiters as fast as it can, from threads and tasks, and prints what it was admitted.

    python -m tests.ratelimit.hammer SECONDS SKEW RATES

SKEW: seconds by which this process' wall clock is wrong. Nothing is remembered of denials, so every hit asks Redis.
"""

import asyncio
import json
import os
import random
import sys
import threading
import time
from contextlib import suppress
from typing import Any

import django
from django.conf import settings

from django_redis_patterns.exceptions import RedisUnavailable
from tests.ratelimit.judge import stamp

THREADS, TASKS = 2, 25
Admitted = dict[str, list[tuple[int, int]]]


def limiters(rates: list[str]) -> list[Any]:
    from django_redis_patterns.ratelimit import Limiter
    from django_redis_patterns.ratelimit.rules import ALGORITHMS

    return [Limiter("hammer", *rates, algorithm=algorithm) for algorithm in ALGORITHMS]


def admissions(decision: Any, cost: int, is_given_back: bool) -> list[tuple[int, int]]:
    """Return when it was admitted, unless that was given back, or a busy machine kept Redis from answering."""
    return [(stamp(decision), cost)] if decision.receipt and not is_given_back else []


def drawn(limiters: list[Any]) -> tuple[Any, int, bool]:
    return random.choice(limiters), random.choice([1, 1, 1, 2, 3]), random.random() < 0.1


def hit(limiters: list[Any], end: float, admitted: Admitted) -> None:
    while time.monotonic() < end:
        limiter, cost, is_given_back = drawn(limiters)
        decision = limiter.hit("ann", cost)
        admitted[limiter.declared.algorithm] += admissions(decision, cost, is_given_back)
        if is_given_back:
            with suppress(RedisUnavailable):
                limiter.refund(decision)


async def ahit(limiters: list[Any], end: float, admitted: Admitted) -> None:
    while time.monotonic() < end:
        limiter, cost, is_given_back = drawn(limiters)
        decision = await limiter.ahit("ann", cost)
        admitted[limiter.declared.algorithm] += admissions(decision, cost, is_given_back)
        if is_given_back:
            with suppress(RedisUnavailable):
                await limiter.arefund(decision)
        await asyncio.sleep(random.random() / 50)


async def tasks(limiters: list[Any], end: float, admitted: Admitted) -> None:
    from django_redis_patterns.core.connections import adisconnect

    await asyncio.gather(*(ahit(limiters, end, admitted) for _ in range(TASKS)))
    await adisconnect()


def main(seconds: float, skew: float, *rates: str) -> None:
    from django_redis_patterns.ratelimit import denials

    denials.LONGEST = 0.0
    wall = time.time
    time.time = lambda: wall() + skew
    mine = limiters(list(rates))
    admitted: Admitted = {limiter.declared.algorithm: [] for limiter in mine}
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=hit, args=(mine, end, admitted)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    asyncio.run(tasks(mine, end, admitted))
    for thread in threads:
        thread.join()
    print(json.dumps(admitted))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    settings.REDIS_PATTERNS["CONNECTIONS"]["default"] = json.loads(os.environ["TEST_REDIS_CONNECTION"])
    django.setup()
    print("ready", flush=True)
    sys.stdin.readline()
    main(float(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:])
