"""Tasks that do nothing, but tell how long all of them took, or how late they are."""

import time
from itertools import count

from django_redis_patterns.core.connections import client
from django_redis_patterns.queues.tasks import task

JOBS = 20_000
_calls = count(1)
_began = 0.0


def note() -> None:
    """Tell how long it took from the first call to the last one."""
    global _began
    _began = _began or time.perf_counter()
    if next(_calls) == JOBS:
        client().rpush("drained", time.perf_counter() - _began)


@task
def book(kind: str, order: int, customer: str, total: str) -> int:
    note()
    return order


@task
async def abook(kind: str, order: int, customer: str, total: str) -> int:
    note()
    return order


@task
def late(sent: float) -> None:
    client().rpush("late", time.monotonic() - sent)
