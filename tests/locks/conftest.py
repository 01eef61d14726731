from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import redis

from django_redis_patterns.locks import Lock
from django_redis_patterns.testing.fixtures import fault_proxy
from tests.core.desks import until


class Away:
    """Runs calls in threads of their own, which are therefore somebody else."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def __call__(self, call: Callable[..., Any], *args: Any) -> "Future[Any]":
        return self._pool.submit(call, *args)


@pytest.fixture
def away() -> Iterator[Away]:
    with ThreadPoolExecutor(16) as pool:
        yield Away(pool)


@pytest.fixture
def queue(bare_redis: redis.Redis) -> Callable[[Lock], int]:
    """How many wait for a lock."""
    return lambda lock: sum(bare_redis.zcard(place.keys[1]) for place in lock.places())


@pytest.fixture
def left_over(bare_redis: redis.Redis) -> Callable[[], list[str]]:
    """What locks have left in Redis, but for the fences."""
    return lambda: sorted(key for key in bare_redis.scan_iter("*") if not key.endswith(":facts"))


@pytest.fixture
def is_clean(left_over: Callable[[], list[str]]) -> Callable[[], None]:
    """Wait until nothing is left: what is uncertain is given back within a second or two."""
    return lambda: until(lambda: not left_over())
