"""How a child takes its leave of a queue."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import redis

from django_redis_patterns.core.worker.feeder import Feeder
from django_redis_patterns.core.worker.lease import hold
from django_redis_patterns.exceptions import RedisUnavailable
from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.feed import QueueFeed
from django_redis_patterns.queues.moves import Claim, release
from django_redis_patterns.queues.solitude import Solitude
from django_redis_patterns.queues.tasks.running import TaskJob
from tests.core.worker.conftest import until
from tests.errands.tasks import add

#: About one server: it is asked who waits.
pytestmark = [pytest.mark.permanent_keys("redis_patterns:queues:*"), pytest.mark.usefixtures("redis_server")]

ME = "me.1.1.abc"


def job_of(claim: Claim, child: str) -> TaskJob:
    return TaskJob(claim, "default", child)


@pytest.fixture
def queue() -> Queue:
    return Queue("default")


@pytest.fixture
def solitude() -> Solitude:
    return Solitude(calm_in=0)


@pytest.fixture
def feed(queue: Queue, solitude: Solitude) -> QueueFeed:
    """One that has found nothing so far."""
    hold(queue.connection, queue.place.keys.live, [ME], 600)
    feed = QueueFeed(queue.place, ME, 1, job_of, solitude, lambda: None)
    assert feed.step([], 1, 0, True) == []
    return feed


@contextmanager
def waiting(feed: QueueFeed, redis: redis.Redis) -> Iterator["Future[Any]"]:
    """Let it wait for something to take while the block begins."""
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(partial(feed.step, [], 1, 20.0, True))
        until(lambda: redis.info("clients")["blocked_clients"])
        yield taking


def calls(redis: redis.Redis) -> int:
    stats = redis.info("commandstats")
    return sum(stats[f"cmdstat_{name}"]["calls"] for name in ("evalsha", "blpop") if f"cmdstat_{name}" in stats)


def test_what_comes_is_taken_in_the_moment_it_comes(feed: QueueFeed, bare_redis: redis.Redis) -> None:
    """By the trip that waited for it."""
    before = calls(bare_redis)
    with waiting(feed, bare_redis) as taking:
        result = add.enqueue(1)
        (job,) = taking.result(30)
    assert f"{job.claim.id}.default" == result.id
    assert calls(bare_redis) - before == 3  # the push, what waited, and the step behind it


def test_who_is_closed_takes_nothing_though_it_waits(
    queue: Queue, feed: QueueFeed, solitude: Solitude, bare_redis: redis.Redis
) -> None:
    """Where suspects are about: what comes then, or was given back, is for others, whom it wakes."""
    solitude.enter("somebody", True, 0)
    solitude.left("somebody", 0, False)
    with waiting(feed, bare_redis) as taking:
        feed.close()
        add.enqueue(1)
        assert taking.result(30) == []
    assert queue.stats()[:3] == (1, 0, 0)
    assert bare_redis.llen(queue.place.keys.wake) == 1


def test_a_take_that_waits_still_brings_nothing_to_who_has_left(
    queue: Queue, feed: QueueFeed, bare_redis: redis.Redis
) -> None:
    """Its lease is over, and what comes is for others."""
    with waiting(feed, bare_redis) as taking:
        feed.close()
        Feeder(feed, 15, lambda: None).leave()
        release(queue.place, [ME])
        add.enqueue(1)
        assert taking.result(30) == []
    assert queue.stats()[:3] == (1, 0, 0)


def test_suspects_are_not_taken_by_who_waits_beside_others(
    queue: Queue, feed: QueueFeed, solitude: Solitude, bare_redis: redis.Redis
) -> None:
    """A take that waits counts as a job: who wants to be alone waits for its end."""
    with waiting(feed, bare_redis) as taking:
        assert not solitude.enter("somebody", True, 0.05)
        add.enqueue(1)
        assert len(taking.result(30)) == 1


def test_what_nobody_accepted_is_given_back_as_one_leaves(queue: Queue, feed: QueueFeed) -> None:
    """As if it had not been taken: nobody died of it, and it has all its attempts."""
    result = add.enqueue(1)
    assert len(feed.step([], 1, 0, True)) == 1
    Feeder(feed, 15, lambda: None).leave()
    assert queue.stats()[:3] == (1, 0, 0)
    result.refresh()
    assert (result.attempts, result.worker_ids) == (0, [])


def test_who_could_not_take_looks_at_once(queue: Queue, feed: QueueFeed, bare_redis: redis.Redis) -> None:
    """What would have woken it may be lost with the connection."""
    with waiting(feed, bare_redis) as taking:
        bare_redis.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(RedisUnavailable):
            taking.result(30)
    add.enqueue(1)
    bare_redis.delete(queue.place.keys.wake)
    assert len(feed.step([], 1, 600.0, True)) == 1
