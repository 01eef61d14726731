"""Several processes: one call in the fleet, leaders that are killed, copies that changes reach, a full Redis."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from django_redis_patterns.caching import cached, invalidate_tags
from django_redis_patterns.caching.copies import clock
from django_redis_patterns.caching.near import BOUND
from django_redis_patterns.core.connections import client
from django_redis_patterns.testing.servers import RedisServer
from tests.core.desks import connected, until

from . import program

ROOT = Path(__file__).parents[2]


class Process:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from tests.caching.program import main; main()"],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.is_ready = False

    def say(self, *words: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        return line.strip() if line == "ready\n" else json.loads(line)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()


@pytest.fixture(scope="module")
def processes() -> Iterator[list[Process]]:
    running = [Process() for _ in range(3)]
    yield running
    for process in running:
        process.end()


@pytest.fixture
def fleet(processes: list[Process]) -> list[Process]:
    """Three processes that live."""
    for place, process in enumerate(processes):
        if process.process.poll() is not None:
            process.end()
            processes[place] = Process()
    for process in processes:
        if not process.is_ready:
            process.is_ready = process.hear() == "ready"
    return processes


def kill(process: Process) -> None:
    process.process.send_signal(signal.SIGKILL)
    process.process.wait()


def is_leased(*args: Any) -> bool:
    return bool(client().exists(program.slow.call_of(*args).place.keys[1]))


def test_one_call_in_the_fleet(fleet: list[Process]) -> None:
    """Three processes with sixteen callers each on a cold key."""
    for process in fleet:
        process.say("herd", 16, "cold", 0.5)
    told = [process.hear() for process in fleet]
    assert sum(one["calls"] for one in told) == 1
    assert len({value for one in told for value in one["values"]}) == 1


def test_who_waits_for_the_dead_takes_over(fleet: list[Process]) -> None:
    """When the lease of a killed leader ends: one of the waiters, and only one."""
    first, *others = fleet
    first.say("herd", 1, "key", 1.5)
    until(lambda: is_leased("key", 1.5))
    for process in others:
        process.say("herd", 8, "key", 1.5)
    time.sleep(0.3)
    kill(first)
    told = [process.hear() for process in others]
    assert sum(one["calls"] for one in told) == 1
    assert {value for one in told for value in one["values"]} < {process.process.pid for process in others}


def test_a_change_in_one_process_beats_a_call_in_another(fleet: list[Process]) -> None:
    """It had begun before; its own caller gets what it returns, and nobody else."""
    first, second, _ = fleet
    first.say("herd", 1, "key", 0.6)
    until(lambda: is_leased("key", 0.6))
    program.slow.invalidate("key", 0.6)
    second.say("herd", 4, "key", 0.6)
    assert first.hear()["values"] == [first.process.pid]
    assert second.hear() == {"values": [second.process.pid] * 4, "calls": 1}
    assert program.slow.peek("key", 0.6) == second.process.pid


class Writer:
    """Changes numbers, and notes when each change had been told."""

    def __init__(self, bare_redis: redis.Redis) -> None:
        self._redis = bare_redis
        self.told: dict[int, list[float]] = {n: [] for n in range(8)}

    def write(self, changes: int, every: int, cut: Any) -> None:
        draw = random.Random(7)
        for count in range(changes):
            n = draw.randrange(8)
            self._redis.hincrby("numbers", n, 1)
            invalidate_tags(f"numbers:{n}")
            self.told[n].append(clock())
            if count % every == every - 1:
                cut()
            if count % 20 == 0:
                time.sleep(0.005)

    def stale(self, reads: list[tuple[float, int, int]]) -> list[Any]:
        """Return what was read though a newer number had been told `BOUND` seconds before."""
        return [one for one in reads if one[2] < bisect_right(self.told[one[1]], one[0] - BOUND)]


@pytest.mark.usefixtures("one_node")
@pytest.mark.permanent_keys("numbers")
@pytest.mark.parametrize(
    ("changes", "every"),
    [(1500, 300), pytest.param(100_000, 5000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
)
def test_copies_are_never_older_than_the_bound(
    fleet: list[Process], redis_server: RedisServer, bare_redis: redis.Redis, changes: int, every: int
) -> None:
    """Three processes keep copies, while the links on which they hear of changes are cut again and again."""
    for process in fleet:
        process.say("start")
    for process in fleet:
        process.hear()
    time.sleep(0.6)
    writer = Writer(bare_redis)
    with redis_server.client() as admin:
        writer.write(changes, every, lambda: admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub"))
    time.sleep(0.3)
    for process in fleet:
        process.say("stop")
    for process in fleet:
        reads, from_copies = process.hear()
        assert writer.stale(reads) == []
        assert from_copies > len(reads) / 20  # copies were used


@pytest.mark.parametrize("seconds", [1.0, pytest.param(60.0, marks=pytest.mark.slow)])
def test_a_full_redis_that_evicts_is_never_stale(seconds: float) -> None:
    """Values, leases and nonces go at any time; what was invalidated does not come back."""
    truth, floor = dict.fromkeys(range(300), 0), dict.fromkeys(range(300), 0)
    problems: list[Any] = []
    calls, reads = [], []  # the statistics are evicted, too
    options = ["--maxmemory", "2mb", "--maxmemory-policy", "allkeys-lru"]

    @cached(ttl=60, tags=["n:{n}", "all"])
    def f(n: int) -> tuple[int, str]:
        calls.append(n)
        return truth[n], "x" * 8000

    def read(draw: random.Random, ends_at: float) -> None:
        while time.monotonic() < ends_at:
            n = draw.randrange(300)
            known = floor[n]
            reads.append(n)
            if (got := f(n)[0]) < known:
                problems.append((n, got, known))

    def write(draw: random.Random, ends_at: float) -> None:
        while time.monotonic() < ends_at:
            n = draw.randrange(300)
            truth[n] += 1
            number = truth[n]
            f.invalidate(n) if draw.random() < 0.5 else invalidate_tags(f"n:{n}")
            floor[n] = number
            time.sleep(0.0005)

    with RedisServer(options=options) as server, connected(URL=server.url), server.client() as admin:
        ends_at = time.monotonic() + seconds
        threads = [threading.Thread(target=read, args=[random.Random(n), ends_at]) for n in range(4)]
        threads.append(threading.Thread(target=write, args=[random.Random(9), ends_at]))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert admin.info("stats")["evicted_keys"] > 0
    assert problems == []
    assert len(calls) < len(reads)
