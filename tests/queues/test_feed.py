"""How a child takes its leave of a queue."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import redis

from django_redis_patterns.core.worker.feeder import Feeder
from django_redis_patterns.core.worker.lease import hold
from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.feed import QueueFeed
from django_redis_patterns.queues.moves import Claim
from django_redis_patterns.queues.solitude import Solitude
from django_redis_patterns.queues.tasks.running import TaskJob
from tests.core.worker.conftest import until
from tests.errands.tasks import add

pytestmark = pytest.mark.permanent_keys("redis_patterns:queues:*")

ME = "me.1.1.abc"


def job_of(claim: Claim, child: str) -> TaskJob:
    return TaskJob(claim, "default", child)


@pytest.fixture
def queue() -> Queue:
    return Queue("default")


@pytest.fixture
def feed(queue: Queue) -> QueueFeed:
    hold(queue.connection, queue.place.keys.live, [ME], 600)
    return QueueFeed(queue.place, ME, 1, job_of, Solitude(), lambda: None)


def test_who_is_closed_takes_nothing_though_it_waits(queue: Queue, feed: QueueFeed, bare_redis: redis.Redis) -> None:
    """What comes then, or was given back, is for others, whom it wakes."""
    assert feed.step([], 1, 0, True) == []
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(partial(feed.step, [], 1, 20.0, True))
        until(lambda: bare_redis.info("clients")["blocked_clients"])
        feed.close()
        add.enqueue(1)
        assert taking.result(30) == []
    assert queue.stats()[:3] == (1, 0, 0)
    assert bare_redis.llen(queue.place.keys.wake) == 1


def test_what_nobody_accepted_is_given_back_as_one_leaves(queue: Queue, feed: QueueFeed) -> None:
    """As if it had not been taken: nobody died of it, and it has all its attempts."""
    result = add.enqueue(1)
    assert len(feed.step([], 1, 0, True)) == 1
    Feeder(feed, 15, lambda: None).leave()
    assert queue.stats()[:3] == (1, 0, 0)
    result.refresh()
    assert (result.attempts, result.worker_ids) == (0, [])
