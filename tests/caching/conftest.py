import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from django_redis_patterns.caching import background, cached, fetch, making, near, tally
from django_redis_patterns.caching.copies import clock
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.testing.fixtures import fault_proxy
from tests.core.desks import until

Away = Callable[..., "Future[Any]"]


class Made:
    """A cached function that counts its calls, returns a new number each time, and stops in mid-call when told to."""

    def __init__(self, is_coroutine: bool, **options: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

        def number(a: Any = 0, b: Any = 0) -> int:
            self.calls.append((a, b))
            mine, error = len(self.calls), self.error
            assert self.gate.wait(20)
            if error:
                raise error
            return mine

        async def anumber(a: Any = 0, b: Any = 0) -> int:
            return await asyncio.to_thread(number, a, b)

        self.f: Any = cached(**{"ttl": 60, **options})(anumber if is_coroutine else number)
        self._runner = asyncio.Runner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it as its users do."""
        called = self.f(*args, **kwargs)
        return running(called) if asyncio.iscoroutine(called) else called

    @property
    def made(self) -> int:
        return len(self.calls)

    def until_called(self, times: int) -> None:
        until(lambda: self.made >= times)


def running(coroutine: Any) -> Any:
    async def run() -> Any:
        try:
            return await coroutine
        finally:
            await adisconnect()

    return asyncio.run(run())


@pytest.fixture(params=["def", "async def"])
def make(request: pytest.FixtureRequest) -> Callable[..., Made]:
    """Makes cached functions of both kinds."""
    return lambda **options: Made(request.param == "async def", **options)


@pytest.fixture
def make_plain() -> Callable[..., Made]:
    return lambda **options: Made(False, **options)


@pytest.fixture
def away() -> Iterator[Away]:
    """Runs calls in other threads."""
    with ThreadPoolExecutor(32) as pool:
        yield pool.submit


def hear_of_the_flush() -> None:
    """Let the near copies know at once that the database was emptied between two tests."""
    links = [link for one in near._near.values() for link in one.links.values() if link.is_live(clock())]
    began = clock()
    if links:
        near.beat(links)
        until(lambda: all(link._heard >= began or not link.is_live(clock()) for link in links))


@pytest.fixture(autouse=True)
def fresh_memory() -> Iterator[None]:
    """Each test meets a process that has just begun, and leaves none at work."""
    making._failed._until.clear()
    making._too_large._until.clear()
    fetch._asked._until.clear()
    tally.begin_anew()
    for one in near._near.values():
        one.copies.clear()
    hear_of_the_flush()
    yield
    end = time.monotonic() + 10
    while background._working and time.monotonic() < end:
        time.sleep(0.002)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Functions inside of tests are made anew in each, and each begins with an empty Redis."""
    for item in items:
        if item.path.parent.name == "caching":
            item.add_marker(pytest.mark.filterwarnings("ignore:.* closes over"))
