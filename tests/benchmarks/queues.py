"""Queues beside bare Redis round trips, loops by hand and other libraries, in the same interleaved run.

    python -m tests.benchmarks.queues [rounds] [--peers PYTHON]

``x ping`` is how often its rate is that of a bare PING of redis-py, measured just before and after it. Workers are the
real thing: ``manage.py redis worker`` with one process, whose tasks do nothing, at a queue that was filled before; from
the first call to the last, with signals and a result for each. ``by hand`` is redis-py's BLMOVE and LREM in a loop.
Below: from an enqueue to its task (p50, p99, and how many pings fit into the first, each after the same pause), the
bytes of a task that waits, and the commands that a worker sends while nothing happens. Peers are libraries which the
interpreter PYTHON has.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from django_redis_patterns.testing.servers import RedisServer

from .beside import bare, measure, rate

JOBS, IDLE, PAUSE, WARM = 20_000, 15.0, 0.01, 12.0
ARGS: Sequence[Any] = ("paid", 7, "ann", "12.50")
PEERS = Path(__file__).parent / "queue_peers.py"
NAMES = ("rq", "huey", "dramatiq", "saq", "streaq")


class Ours:
    """The room itself."""

    def program(self) -> Sequence[str]:
        return [sys.executable, "-m", "tests.benchmarks.queues", "work"]

    def fill(self, kind: str = "book") -> None:
        from . import chores

        getattr(chores, kind).enqueue_many([ARGS] * JOBS)

    def enqueue(self) -> float:
        from .chores import book

        return rate(lambda: book.enqueue(*ARGS), 3000)

    def late(self, times: int) -> None:
        from .chores import late

        for _ in range(times):
            late.enqueue(time.monotonic())
            bare().blmove("late", "lateness", 60)
            time.sleep(PAUSE)


class Peer:
    """Another library, in a program of its own."""

    def __init__(self, python: str, name: str) -> None:
        self._python, self.name = python, name

    def program(self, *words: str) -> Sequence[str]:
        return [self._python, str(PEERS), self.name, *(words or ("work",))]

    def fill(self) -> None:
        self._run("fill", str(JOBS))

    def enqueue(self) -> float:
        return float(self._run("fill", "3000"))

    def late(self, times: int) -> None:
        self._run("late", str(times))

    def _run(self, *words: str) -> str:
        return subprocess.run(self.program(*words), check=True, capture_output=True, text=True, timeout=120).stdout


@contextmanager
def working(program: Sequence[str]) -> Iterator[None]:
    worker = subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(30)


def drain(lib: Any, *kind: str) -> float:
    lib.fill(*kind)
    with working(lib.program()):
        _, seconds = bare().blpop("drained", 300)
    return JOBS / float(seconds)


def enqueue_many() -> float:
    from .chores import book

    return 1000 * rate(partial(book.enqueue_many, [ARGS] * 1000), 10)


def direct(queue: str = "direct") -> Any:
    from django_redis_patterns.queues import Queue

    return Queue(queue)


def take() -> float:
    queue = direct()
    queue.push_many([ARGS] * 3000)

    def one() -> None:
        with queue.take() as job:
            assert job is not None

    return rate(one, 3000)


def take_many() -> float:
    queue = direct()
    queue.push_many([ARGS] * JOBS)

    def some() -> None:
        with queue.take_many(100) as jobs:
            assert len(jobs) == 100

    return 100 * rate(some, JOBS // 100)


def by_hand() -> float:
    client, job = bare(), json.dumps(ARGS)
    client.lpush("hand", *([job] * 3000))

    def one() -> None:
        client.lrem("running", 1, client.blmove("hand", "running", 1))

    return rate(one, 3000)


def lateness(lib: Any) -> tuple[list[float], float]:
    """Return how long each job was on its way to a worker that idles, and a ping in the same rhythm takes; seconds."""
    with working(lib.program()):
        lib.late(1)
        time.sleep(WARM)
        lib.late(220)
        pings = []
        for _ in range(200):
            time.sleep(PAUSE)
            pings.append(1 / rate(bare().ping, 1))
    return sorted(map(float, bare().lrange("lateness", 20, -1))), statistics.median(pings)


def bytes_each(lib: Any) -> float:
    """Return the memory of a job that waits."""
    bare().flushall()
    before = bare().info("memory")["used_memory"]
    lib.fill()
    return (bare().info("memory")["used_memory"] - before) / JOBS


def sent() -> int:
    """Return how many commands were sent; what scripts call is not."""
    own = ("evalsha", "blpop", "xreadgroup", "brpop", "ping")
    return sum(stat["calls"] for name, stat in bare().info("commandstats").items() if name[8:] in own)


def idle() -> float:
    """Return the commands a second of a worker that has nothing to do."""
    with working(Ours().program()):
        Ours().late(1)
        time.sleep(6)
        before = sent()
        time.sleep(IDLE)
        return (sent() - before) / IDLE


def lanes(peers: Sequence[Peer]) -> dict[str, Callable[[], float]]:
    ours, here = Ours(), direct()
    return {
        "enqueue": ours.enqueue,
        "enqueue_many, of 1000": enqueue_many,
        "worker": partial(drain, ours, "book"),
        "worker, async tasks": partial(drain, ours, "abook"),
        **{f"worker, {peer.name}": partial(drain, peer) for peer in peers},
        **{f"enqueue, {peer.name}": peer.enqueue for peer in peers},
        "push": lambda: rate(lambda: here.push(ARGS), 3000),
        "take and ack": take,
        "take_many and ack, 100": take_many,
        "by hand, one at once": by_hand,
    }


def main(rounds: int, python: str) -> None:
    peers = [Peer(python, name) for name in NAMES] if python else []
    measure(lanes(peers), rounds)
    print(f"\n{'':12}{'p50':>9}{'p99':>9}{'pings':>7}{'bytes':>7}   from enqueue to task, in ms, and of one that waits")
    for name, lib in {"queues": Ours(), **{peer.name: peer for peer in peers}}.items():
        bare().flushall()
        found, ping = lateness(lib)
        p50, p99 = found[len(found) // 2], found[int(len(found) * 0.99)]
        print(f"{name:12}{p50 * 1e3:9.2f}{p99 * 1e3:9.2f}{p50 / ping:7.1f}{bytes_each(lib):7.0f}")
    print(f"\nidle: {idle():.2f} commands a second")


def begin() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    settings.REDIS_PATTERNS["CONNECTIONS"]["default"] = {"URL": os.environ["BENCHMARK_REDIS"]}
    django.setup()


def work(*words: str) -> None:
    """Work: what the benchmark starts beside itself, and its supervisor again."""
    from django.core.management import execute_from_command_line

    from . import chores  # noqa: F401

    execute_from_command_line(["manage.py", "redis", "worker", "--queues", "default", *words])


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        begin()
        work(*sys.argv[2:])
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("rounds", type=int, nargs="?", default=3)
        parser.add_argument("--peers", default="", metavar="PYTHON")
        given = parser.parse_args()
        with RedisServer() as server:
            os.environ["BENCHMARK_REDIS"] = server.url
            begin()
            main(given.rounds, given.peers)
