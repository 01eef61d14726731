"""Streams beside bare Redis round trips and loops by hand, in the same interleaved run.

    python -m tests.benchmarks.streams [rounds]

``x ping`` is how often its rate is that of a bare PING of redis-py, measured just before and after it. Consumers are
the real thing: ``manage.py redis consume`` with one child, whose handler does nothing, at a log that was filled before;
from the first event it is given to the last. ``by hand`` is redis-py's XREADGROUP and XACK in a loop, without a lease,
retries or anybody who takes over. Below: from an append to its handler (p50, p99, and how many pings fit into the
first), and the commands that a consumer sends while nothing happens.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import django
from django.conf import settings

from django_redis_patterns.testing.servers import RedisServer

from .beside import bare, measure, rate

EVENTS, BATCH = 20_000, 100
DATA = {"type": "paid", "order_id": 7, "customer": "ann", "total": "12.50"}
KINDS: dict[str, dict[str, Any]] = {
    "batch=100": {"batch": BATCH},
    "per entry": {},
    "per entry, async": {},
    "ordered_by": {"ordered_by": "key"},
}
IDLE = 15.0
names = count()


def events(number: int) -> list[dict[str, Any]]:
    return [DATA | {"key": n % 100} for n in range(number)]


def stream() -> Any:
    from django_redis_patterns.streams import Stream

    return Stream(f"benchmark{next(names)}")


def filled() -> Any:
    log = stream()
    log.append_many(events(EVENTS))
    return log


def append() -> float:
    log = stream()
    return rate(lambda: log.append(DATA), 3000)


def append_many() -> float:
    return 1000 * rate(partial(stream().append_many, events(1000)), 10)


def read() -> float:
    log = filled()
    start = time.perf_counter()
    assert sum(1 for _ in log.read()) == EVENTS
    return EVENTS / (time.perf_counter() - start)


def by_hand(size: int) -> float:
    log, client = filled().keys.log, bare()
    client.xgroup_create(log, "hand", "0")
    start = time.perf_counter()
    while told := client.xreadgroup("hand", "me", {log: ">"}, count=size):
        client.xack(log, "hand", *(id for id, _ in told[0][1]))
    return EVENTS / (time.perf_counter() - start)


@contextmanager
def consuming(log: str, kind: str) -> Iterator[None]:
    words = [sys.executable, "-m", "tests.benchmarks.streams", "consume", log, kind]
    program = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        program.terminate()
        program.wait(30)


def consume(kind: str) -> float:
    log = filled().name
    with consuming(log, kind):
        _, seconds = bare().blpop(f"{log}:drained", 120)
    return EVENTS / float(seconds)


def handler(log: str, kind: str) -> Callable[..., Any]:
    """Return one that does nothing, but tells how long all of it took, or how late an event is that was just sent."""
    calls, began = count(1), 0.0
    all_of_them = EVENTS // KINDS[kind].get("batch", 1)

    def handle(given: Any) -> None:
        nonlocal began
        began = began or time.perf_counter()
        call = next(calls)
        if call == all_of_them:
            bare().rpush(f"{log}:drained", time.perf_counter() - began)
        elif all_of_them == EVENTS and (sent := given.data.get("sent")):
            bare().rpush(f"{log}:late", time.monotonic() - sent)

    async def ahandle(given: Any) -> None:
        handle(given)

    return ahandle if kind.endswith("async") else handle


def late() -> list[float]:
    """Return how long each event was on its way to an idle consumer."""
    log, found = stream(), []
    with consuming(log.name, "per entry"):
        for number in range(220):
            log.append(DATA | {"sent": time.monotonic()})
            _, seconds = bare().blpop(f"{log.name}:late", 60)
            found += [float(seconds)] if number >= 20 else []
            time.sleep(0.01)
    return found


def sent() -> int:
    """Return how many commands were sent; what scripts call is not."""
    stats = bare().info("commandstats").items()
    return sum(stat["calls"] for name, stat in stats if name in ("cmdstat_evalsha", "cmdstat_xreadgroup"))


def idle() -> float:
    """Return the commands a second of a consumer that has nothing to do."""
    log = stream()
    log.append(DATA | {"sent": time.monotonic()})
    with consuming(log.name, "per entry"):
        bare().blpop(f"{log.name}:late", 60)
        time.sleep(6)
        before = sent()
        time.sleep(IDLE)
        return (sent() - before) / IDLE


LANES: dict[str, Callable[[], float]] = {
    "append": append,
    "append_many, of 1000": append_many,
    "read": read,
    **{f"consume, {kind}": partial(consume, kind) for kind in KINDS},
    "by hand, 100 at once": partial(by_hand, BATCH),
    "by hand, one at once": partial(by_hand, 1),
}


def main(rounds: int) -> None:
    ping = measure(LANES, rounds)
    found = sorted(late())
    p50, p99 = found[len(found) // 2], found[int(len(found) * 0.99)]
    print(f"\nfrom append to handler   p50 {p50 * 1e3:.2f} ms ({p50 * ping:.1f} pings), p99 {p99 * 1e3:.2f} ms")
    print(f"idle                     {idle():.2f} commands a second")


def begin() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    settings.REDIS_PATTERNS["CONNECTIONS"]["default"] = {"URL": os.environ["BENCHMARK_REDIS"]}
    django.setup()


def work(log: str, kind: str, *words: str) -> None:
    """Consume: what the benchmark starts beside itself, and its supervisor again."""
    from django.core.management import execute_from_command_line

    from django_redis_patterns.streams import Stream

    Stream(log).consumer(group="benchmark", start="beginning", **KINDS[kind])(handler(log, kind))
    execute_from_command_line(["manage.py", "redis", "consume", log, *words])


if __name__ == "__main__":
    if sys.argv[1:2] == ["consume"]:
        begin()
        work(*sys.argv[2:])
    else:
        with RedisServer() as server:
            os.environ["BENCHMARK_REDIS"] = server.url
            begin()
            main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
