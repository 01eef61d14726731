"""Locks beside bare Redis commands and other people's locks, in the same interleaved run.

    python -m tests.benchmarks.locks [rounds] [processes]

Alone: median microseconds of acquire and release by one process. Convoy: processes that want the same lock again and
again and hold it for a millisecond; a hand-over is from just before a release to another one's being in (p50, p99).
``x floor`` is the ratio to a token that is passed on by RPUSH and awaited by BLPOP. ``retaken`` is how often nobody was
handed it: who had it took it again, past those who waited.
"""

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import redis
from django.conf import settings

from django_redis_patterns.testing.servers import RedisServer

HOLD = 0.001
Make = Callable[[str], AbstractContextManager[Any]]


@cache
def bare() -> redis.Redis:
    """A client of redis-py, as everybody has one."""
    return redis.Redis.from_url(settings.REDIS_PATTERNS["CONNECTIONS"]["default"]["URL"], protocol=2)


@contextmanager
def floor(name: str) -> Iterator[None]:
    """A token in a list, which the benchmark has put there: no owner, no time limit, and who dies takes it along."""
    bare().blpop(f"token:{name}")
    try:
        yield
    finally:
        bare().rpush(f"token:{name}", "1")


def ours(name: str) -> AbstractContextManager[Any]:
    from django_redis_patterns.locks import lock

    return lock(name, wait=None)


def redis_py(name: str) -> AbstractContextManager[Any]:
    return bare().lock(f"redis-py:{name}", timeout=30)


def redis_py_5_ms(name: str) -> AbstractContextManager[Any]:
    return bare().lock(f"redis-py:{name}", timeout=30, sleep=0.005)


def python_redis_lock(name: str) -> AbstractContextManager[Any]:
    import redis_lock

    lock: AbstractContextManager[Any] = redis_lock.Lock(bare(), name, expire=30)
    return lock


LANES: list[Make] = [floor, ours, redis_py, redis_py_5_ms]
if find_spec("redis_lock"):
    LANES.append(python_redis_lock)
#: What the lanes send themselves; what their scripts call is not counted.
SENT = {"evalsha", "eval", "set", "blpop", "rpush", "subscribe", "get"}


def cycle(make: Make, times: int) -> list[float]:
    """Return how long each acquire and release took."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        with make("alone"):
            pass
        taken.append(time.perf_counter() - start)
    return taken


def convoy(make: Make, times: int) -> list[tuple[float, float]]:
    """Return from when until when each time was."""
    stays = []
    for _ in range(times):
        with make("convoy"):
            entered = time.monotonic()
            time.sleep(HOLD)
            left = time.monotonic()
        stays.append((entered, left))
    return stays


def sent(client: redis.Redis) -> int:
    stats = client.info("commandstats").items()
    return sum(stat["calls"] for name, stat in stats if name.removeprefix("cmdstat_") in SENT)


def hand_overs(stays: list[tuple[float, float, int]]) -> list[float]:
    """Return the seconds between one's leaving and the next one's being in; who takes it again was not handed it."""
    return [after[0] - before[1] for before, after in pairwise(sorted(stays)) if after[2] != before[2]]


def run(processes: list[Any], rounds: int, times: int) -> None:
    """Take turns between the lanes, and print a row each."""
    alone: dict[Make, list[float]] = {make: [] for make in LANES}
    handed: dict[Make, list[float]] = {make: [] for make in LANES}
    commands = dict.fromkeys(LANES, 0)
    for count in range(rounds + 1):
        for make in random.sample(LANES, len(LANES)):
            taken = processes[0].do(cycle, make, 100)
            before = sent(bare())
            for process in processes:
                process.tell(convoy, make, times)
            stays = [(*stay, who) for who, process in enumerate(processes) for stay in process.hear(120)]
            if count:  # the first round warms up
                alone[make] += taken
                handed[make] += hand_overs(stays)
                commands[make] += sent(bare()) - before
    acquires = rounds * times * len(processes)
    report(alone, handed, {make: commands[make] / acquires for make in LANES}, acquires)


def report(
    alone: dict[Make, list[float]], handed: dict[Make, list[float]], per_acquire: dict[Make, float], acquires: int
) -> None:
    heads = ["alone", "x floor", "p50 ms", "p99 ms", "x floor", "x floor", "commands", "retaken"]
    print(" " * 16, *(f"{head:>8}" for head in heads))
    quantile = {make: statistics.quantiles(taken, n=100) for make, taken in handed.items()}
    base, base_alone = quantile[floor], statistics.median(alone[floor])
    for make in LANES:
        mine, cost = quantile[make], statistics.median(alone[make])
        row = [f"{cost * 1e6:.0f}", f"{cost / base_alone:.2f}", f"{mine[49] * 1e3:.2f}", f"{mine[98] * 1e3:.2f}"]
        row += [f"{mine[49] / base[49]:.2f}", f"{mine[98] / base[98]:.2f}", f"{per_acquire[make]:.2f}"]
        row += [f"{1 - len(handed[make]) / acquires:.0%}"]
        print(f"{make.__name__:16}", *(f"{figure:>8}" for figure in row))


def main(rounds: int = 10, count: int = 8) -> None:
    """Print the table."""
    from tests.locks.torture import Field

    with tempfile.TemporaryDirectory() as folder, Field(Path(folder)) as field:
        for name in ("alone", "convoy"):
            bare().rpush(f"token:{name}", "1")
        print(f"{count} processes, {rounds} rounds")
        run(field.several(count), rounds, 12)


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    with RedisServer() as server:
        settings.REDIS_PATTERNS["CONNECTIONS"]["default"]["URL"] = server.url
        django.setup()
        main(*map(int, sys.argv[1:]))
