"""Whatever happens at once: what was invalidated is never served."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from django_redis_patterns.caching import RedisCache

WAYS: list[Callable[[RedisCache], object]] = [
    lambda cache: cache.delete("key"),
    lambda cache: cache.delete_many(["key"]),
    lambda cache: cache.delete_pattern("k*"),
    lambda cache: cache.clear(),
    lambda cache: cache.set("key", 0, -1),
]


@dataclass
class Truth:
    """What is true now, and the oldest of what may still be served."""

    now: int = 0
    invalidated: int = 0

    def compute(self) -> int:
        value = self.now
        time.sleep(random.uniform(0, 0.003))
        return value

    def change(self, cache: RedisCache) -> None:
        time.sleep(random.uniform(0, 0.002))
        self.now += 1
        random.choice(WAYS)(cache)
        self.invalidated = self.now


@pytest.mark.parametrize("changes", [300, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.timeout(600)
def test_nothing_stale_is_ever_served(cache: RedisCache, changes: int) -> None:
    """Six callers compute, and one changes what they compute from, at random."""
    truth = Truth()

    def read() -> int:
        hits = 0
        while truth.now < changes:
            cache.get_or_set("key", truth.compute, random.choice([60, 0.005]))
            oldest = truth.invalidated
            value = cache.get("key")
            assert value is None or value >= oldest
            hits += value is not None
        return hits

    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(read) for _ in range(6)]
        try:
            while truth.now < changes:
                truth.change(cache)
        finally:
            truth.now = changes
        served = sum(reader.result() for reader in readers)
    assert served
