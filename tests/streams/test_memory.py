"""A million events go through, and neither Redis nor the process is fuller for it."""

from collections.abc import Callable
from typing import Any

import pytest
import redis

from django_redis_patterns.core.worker.memory import resident_mb
from django_redis_patterns.streams import Stream

from .children import Child, pending

EVENTS, AT_ONCE = 1_000_000, 1000


@pytest.fixture
def orders() -> Stream:
    return Stream("orders", retention=0.5)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.permanent_keys("redis_patterns:streams:*")
def test_memory_stays_flat(orders: Stream, declare: Callable[..., Any], bare_redis: redis.Redis) -> None:
    """With a retention, and two groups: one is given event by event, one batches."""
    handled = [0, 0]

    def one(event: Any) -> None:
        handled[0] += 1

    def many(events: list[Any]) -> None:
        handled[1] += len(events)

    children = [Child(declare(one, group="each")), Child(declare(many, group="batches", batch=100))]
    used: list[tuple[int, float]] = []
    for number in range(EVENTS // AT_ONCE):
        orders.append_many([{"number": number, "text": "x" * 50}] * AT_ONCE)
        for child in children:
            child.work(64)
        if number % 20 == 19:
            children[0].feed.tend()
        if number % 100 == 99:
            used.append((bare_redis.info("memory")["used_memory"], resident_mb()))
    assert handled == [EVENTS, EVENTS]
    assert [pending(child) for child in children] == [{}, {}]
    servers, processes = zip(*used[1:], strict=True)
    print(f"server {[round(size / 1e6, 1) for size in servers]} MB, process {[round(mb) for mb in processes]} MB")
    between_two_looks = 60 * EVENTS // 10  # bytes: of the text alone, had it stayed
    assert max(servers) - min(servers) < between_two_looks
    assert max(processes) - min(processes) < between_two_looks / 1e6
