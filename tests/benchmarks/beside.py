"""What benchmarks of programs share: a bare client, and a table of rates beside its pings."""

import os
import statistics
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import redis

PINGS = 2000


@cache
def bare() -> redis.Redis:
    """A client of redis-py, as everybody has one."""
    return redis.Redis.from_url(os.environ["BENCHMARK_REDIS"], protocol=2, socket_timeout=120)


def rate(call: Callable[[], Any], times: int) -> float:
    """Return how often a second it can be called."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    return times / (time.perf_counter() - start)


def measure(lanes: Mapping[str, Callable[[], float]], rounds: int) -> float:
    """Print a table of what each of *lanes* does a second, as the median of *rounds*; returns the pings a second."""
    rates: dict[str, list[float]] = {name: [] for name in lanes}
    ratios: dict[str, list[float]] = {name: [] for name in lanes}
    pings = []
    for _ in range(rounds):
        for name, lane in lanes.items():
            bare().flushall()
            before = rate(bare().ping, PINGS)
            rates[name].append(lane())
            pings.append((before + rate(bare().ping, PINGS)) / 2)
            ratios[name].append(rates[name][-1] / pings[-1])
    ping = statistics.median(pings)
    print(f"{'':26}{'a second':>10}{'x ping':>8}   of {ping:.0f} pings a second")
    for name in lanes:
        print(f"{name:26}{statistics.median(rates[name]):10.0f}{statistics.median(ratios[name]):8.2f}")
    return ping
