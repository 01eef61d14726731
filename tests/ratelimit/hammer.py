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
from typing import Any

import django
from django.conf import settings

from tests.ratelimit.judge import stamp

THREADS, TASKS = 2, 25
Admitted = dict[str, list[tuple[int, int]]]


def limiters(rates: list[str]) -> list[Any]:
    from django_redis_patterns.ratelimit import Limiter
    from django_redis_patterns.ratelimit.rules import ALGORITHMS

    return [Limiter("hammer", *rates, algorithm=algorithm) for algorithm in ALGORITHMS]


def admissions(limiter: Any, decision: Any, cost: int, given_back: bool) -> tuple[str, list[tuple[int, int]]]:
    """Return the algorithm, and when it was admitted unless that was given back."""
    if not decision or given_back:
        return limiter.declared.algorithm, []
    return limiter.declared.algorithm, [(stamp(decision), cost)]


def drawn() -> tuple[int, bool]:
    return random.choice([1, 1, 1, 2, 3]), random.random() < 0.1


def hit(limiters: list[Any], end: float, admitted: Admitted) -> None:
    while time.monotonic() < end:
        limiter, (cost, given_back) = random.choice(limiters), drawn()
        decision = limiter.hit("ann", cost)
        name, found = admissions(limiter, decision, cost, given_back)
        if decision and given_back:
            limiter.refund(decision)
        admitted[name] += found


async def ahit(limiters: list[Any], end: float, admitted: Admitted) -> None:
    while time.monotonic() < end:
        limiter, (cost, given_back) = random.choice(limiters), drawn()
        decision = await limiter.ahit("ann", cost)
        name, found = admissions(limiter, decision, cost, given_back)
        if decision and given_back:
            await limiter.arefund(decision)
        admitted[name] += found
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
