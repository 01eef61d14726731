"""What carries jobs to handlers and their ends back: few trips, and threads that outlive everything."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import redis

from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.core.worker.feeder import Feeder
from django_redis_patterns.core.worker.lease import hold
from tests.core.worker import handlers, room
from tests.core.worker.conftest import until
from tests.core.worker.room import Word, Words, push

pytestmark = pytest.mark.permanent_keys("*:words:*")


class Watched(Words):
    """Counts its steps, and may have trouble in one."""

    def __init__(self, **options: Any) -> None:
        super().__init__("me", **options)
        self.steps = 0
        self.trouble: Callable[[float], None] = lambda wait: None

    def step(self, done: Sequence[Done], free: int, wait: float, takes_over: bool) -> Sequence[Word]:
        self.steps += 1
        self.trouble(wait)
        return super().step(done, free, wait, takes_over)


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(handlers, "note", lambda *line: None)
    hold("default", room.LIVE, ["me"], 600)
    return Watched()


@pytest.fixture
def feeder(feed: Watched) -> Iterator[Feeder]:
    feeder = Feeder(feed, 15.0, lambda: None)
    yield feeder
    feed.trouble = lambda wait: None
    feeder.close()
    until(lambda: feeder.is_empty)
    push(["sleep:0:end"])  # wakes the thread that is blocked; it is given back
    feeder._tends_at = time.monotonic() + 86_400  # the other one never ends, and has no business in other tests


def ends(redis: redis.Redis) -> int:
    return int(redis.hlen(room.ENDS))


def test_many_short_jobs_share_a_trip(feed: Watched, feeder: Feeder, bare_redis: redis.Redis) -> None:
    """Ends go with the next take, and both grow when jobs prove to be short."""
    push([f"sleep:0:{number}" for number in range(1000)])
    feeder.start()
    until(lambda: ends(bare_redis) == 1000)
    assert feed.steps < 1000 / 4


def test_what_somebody_has_left_is_taken_while_the_taker_is_blocked(
    feed: Watched, feeder: Feeder, bare_redis: redis.Redis
) -> None:
    blocked, go_on = threading.Event(), threading.Event()

    def block(wait: float) -> None:
        if wait:
            blocked.set()
            go_on.wait()

    feed.trouble = block
    feeder.start()
    assert blocked.wait(30)
    bare_redis.lpush(room.READY, "sleep:0:1")
    feeder.look()
    until(lambda: ends(bare_redis) == 1)
    go_on.set()


@pytest.mark.parametrize("error", [TypeError("a bug of the room"), redis.ConnectionError("away")])
def test_whatever_a_step_raises_work_goes_on(
    error: Exception, feed: Watched, feeder: Feeder, bare_redis: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said, and tried again."""
    left = [error] * 3

    def fail(wait: float) -> None:
        if left:
            raise left.pop()

    feed.trouble = fail
    push(["sleep:0:1"])
    feeder.start()
    until(lambda: ends(bare_redis) == 1)
    until(lambda: "back after" in caplog.text)
    assert str(error) in caplog.text


def test_trouble_in_housekeeping_stops_nothing(
    feed: Watched, feeder: Feeder, bare_redis: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    def tend() -> None:
        raise ValueError("no broom")

    feed.tend = tend  # type: ignore[method-assign]
    feeder.start()
    until(lambda: "no broom" in caplog.text)
    push(["sleep:0:1"])
    until(lambda: ends(bare_redis) == 1)
