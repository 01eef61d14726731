"""Several processes: one call in the fleet, leaders that are killed, copies that changes reach, a full Redis."""

import random
import signal
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import redis

from django_redis_patterns.caching import cached, invalidate_tags
from django_redis_patterns.caching.copies import clock
from django_redis_patterns.caching.near import BOUND
from django_redis_patterns.core.connections import client
from django_redis_patterns.exceptions import RedisPatternsError
from django_redis_patterns.testing.sentinel import SentinelTrio
from django_redis_patterns.testing.servers import RedisServer
from tests.core.desks import connected, until

from . import program
from .fleet import Process, is_up


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
    assert all(map(is_up, processes))
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
    told = second.hear()
    assert (told["values"], told["calls"]) == ([second.process.pid] * 4, 1)
    assert program.slow.peek("key", 0.6) == second.process.pid


class Writer:
    """Changes numbers, and notes when each change had been told."""

    def __init__(self, truth: redis.Redis, tell: Callable[[str], Any] = invalidate_tags) -> None:
        self._truth, self._tell = truth, tell
        self.told: dict[int, list[float]] = {n: [] for n in range(8)}
        self._draw = random.Random(7)

    def write(self) -> None:
        n = self._draw.randrange(8)
        self._truth.hincrby("numbers", str(n), 1)
        self._tell(f"numbers:{n}")
        self.told[n].append(clock())

    def write_many(self, changes: int, every: int, cut: Any) -> None:
        for count in range(changes):
            self.write()
            if count % every == every - 1:
                cut()
            if count % 20 == 0:
                time.sleep(0.005)

    def stale(self, reads: list[tuple[float, int, int]]) -> list[Any]:
        """Return what was read though a newer number had been told `BOUND` seconds before."""
        return [one for one in reads if one[2] < bisect_right(self.told[one[1]], one[0] - BOUND)]


@contextmanager
def reading(fleet: list[Process], writer: Writer) -> Iterator[None]:
    """Have all processes read, and see that nothing they got was stale, and that copies were used."""
    for process in fleet:
        process.say("start")
    for process in fleet:
        process.hear()
    time.sleep(0.6)
    yield
    time.sleep(0.3)
    for process in fleet:
        process.say("stop")
    for process in fleet:
        reads, from_copies = process.hear()
        assert writer.stale(reads) == []
        assert from_copies > len(reads) / 20


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
    writer = Writer(bare_redis)
    with redis_server.client() as admin, reading(fleet, writer):
        writer.write_many(changes, every, lambda: admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub"))


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.permanent_keys("*")
@pytest.mark.parametrize("how", ["kill", "order"])
def test_copies_survive_a_failover(how: str) -> None:
    """They are not older than the bound, before and after; a change has been told when a replica has it, too."""
    with SentinelTrio(replicas=2) as trio, RedisServer() as database, connected(**trio.connection, TIMEOUT=0.5):
        fleet = [Process({**trio.connection, "TIMEOUT": 0.5}, database.url) for _ in range(3)]
        try:
            assert all(map(is_up, fleet))
            with database.client() as truth:
                writer = Writer(truth, tell_safely)
                with reading(fleet, writer):
                    write_for(writer, 2)
                    trio.wait_for_failover(trio.kill_primary()) if how == "kill" else trio.failover()
                    assert write_for(writer, 4) > 20
        finally:
            for process in fleet:
                process.end()


def write_for(writer: Writer, seconds: float) -> int:
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        writer.write()
        count += 1
        time.sleep(0.002)
    return count


def tell_safely(tag: str) -> None:
    """Return when the invalidation is at a replica: one that is not is lost with its primary, as any write is."""

    def is_told() -> bool:
        with suppress(RedisPatternsError, redis.RedisError):
            invalidate_tags(tag)
            pipeline = client().pipeline(transaction=False)
            pipeline.set("written", 1).execute_command("WAIT", 1, 100)
            return bool(pipeline.execute()[1])
        return False

    until(is_told, 30)


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
