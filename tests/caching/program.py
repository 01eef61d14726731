"""A process of the fleet: does what it reads, line by line, and prints what came of it."""

import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
from django.conf import settings

from django_redis_patterns.caching import cached
from django_redis_patterns.caching.copies import clock
from django_redis_patterns.core.connections import client

calls: list[Any] = []


@cached(ttl=60)
def slow(key: str, seconds: float) -> int:
    calls.append(key)
    time.sleep(seconds)
    return os.getpid()


@cached(ttl=60, near=True, tags=["numbers:{n}"])
def number(n: int) -> int:
    redis: Any = client("database")
    return int(redis.hget("numbers", n) or 0)


class Reader:
    """Reads numbers for as long as it is told, and notes when it asked and what it got."""

    def __init__(self) -> None:
        self.read: list[tuple[float, int, int]] = []
        self.is_done = False
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while not self.is_done:
            for n in range(8):
                asked = clock()
                self.read.append((asked, n, number(n)))
            time.sleep(0.001)


readers: list[Reader] = []


def herd(size: int, key: str, seconds: float) -> dict[str, Any]:
    def ask() -> tuple[int, float]:
        began = time.perf_counter()
        return slow(key, seconds), time.perf_counter() - began

    calls.clear()
    with ThreadPoolExecutor(size) as pool:
        got = [one.result() for one in [pool.submit(ask) for _ in range(size)]]
    return {"values": [value for value, _ in got], "calls": len(calls), "slowest": max(took for _, took in got)}


def start() -> None:
    readers.append(Reader())
    readers[-1].thread.start()


def stop() -> list[Any]:
    readers[-1].is_done = True
    readers[-1].thread.join()
    return [readers[-1].read, number.stats().near]


def main() -> None:
    connection = json.loads(os.environ["TEST_REDIS_CONNECTION"])
    database = os.environ.get("TEST_DATABASE") or connection
    settings.REDIS_PATTERNS = {
        "CONNECTIONS": {"default": connection, "database": database},
        "CACHING": {"LEASE": 1.0},
    }
    django.setup()
    print("ready", flush=True)
    for line in sys.stdin:
        name, *args = json.loads(line)
        print(json.dumps(globals()[name](*args)), flush=True)
