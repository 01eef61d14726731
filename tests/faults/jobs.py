"""The operations of queues, for the table of all operations."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import redis

from django_redis_patterns.core.worker.lease import hold
from django_redis_patterns.queues import Job, Queue
from django_redis_patterns.queues.fire import fire
from django_redis_patterns.queues.look import look, wait_for_end
from django_redis_patterns.queues.moves import (
    Claim,
    Taker,
    dead,
    done,
    recover,
    release,
    sleep,
    step_once,
    wait_and_step,
)
from django_redis_patterns.queues.records import Entry, record
from tests.errands import tasks as errands
from tests.faults.row import Call, Row

thumbs = Queue("thumbs")
KEYS = thumbs.place.keys
#: What is left of five jobs: how many wait, run, and are dead.
State = tuple[int, int, int]
NOON = datetime(2035, 1, 1, 12, tzinfo=UTC)


def _waiting(act: Callable[[], Call]) -> Callable[[], Call]:
    """Two jobs, "a" and "b"."""

    def prepare() -> Call:
        thumbs.push(1, id="a")
        thumbs.push(2, id="b")
        return act()

    return prepare


def _claimed(act: Callable[[list[Claim]], Call]) -> Callable[[], Call]:
    """A worker has both of them."""

    def claim() -> Call:
        hold("default", KEYS.live, ["me"], 60)
        return act(step_once(thumbs.place, Taker("me"), (), 2, 0).claims)

    return _waiting(claim)


def _dead(act: Callable[[], Call]) -> Callable[[], Call]:
    def die(claims: list[Claim]) -> Call:
        step_once(thumbs.place, Taker("me"), [dead(claims[0], "why", b""), done(claims[1])], 0, 0)
        return act()

    return _claimed(die)


def _in_hand(act: Callable[[Job], Call]) -> Callable[[], Call]:
    def take() -> Call:
        job = thumbs.take().begin()
        assert job is not None
        return act(job)

    return _waiting(take)


def _paused() -> Call:
    thumbs.pause()
    return (thumbs.resume,)


def _finish() -> Call:
    take = thumbs.take()
    take.begin()
    return (take.finish, None)


def _task() -> Call:
    backend = errands.add.get_backend()
    return (backend.enter, *backend._ready(errands.add, (1,), {}))


def _tasks(redis: redis.Redis) -> int:
    return redis.llen(Queue("default").place.keys.ready)


def _state(redis: redis.Redis) -> State:
    waiting = redis.llen(KEYS.ready) + redis.zcard(KEYS.ranked) + redis.zcard(KEYS.later)
    return waiting, redis.hlen(KEYS.running), redis.zcard(KEYS.dead)


def _is_paused(redis: redis.Redis) -> int:
    return redis.exists(KEYS.paused)


def _moved(redis: redis.Redis) -> int:
    return redis.zcard(KEYS.later)


JOBS: dict[str, Row] = {
    "Queue.add": Row(lambda: (thumbs.add, Entry("a", record(b"j1"))), _state, ((0, 0, 0), (1, 0, 0))),
    "Queue.push": Row(lambda: (thumbs.push, 1), _state, ((0, 0, 0), (1, 0, 0))),
    "Queue.push_many": Row(lambda: (thumbs.push_many, [1, 2]), _state, ((0, 0, 0), (2, 0, 0))),
    "Queue.peek": Row(_waiting(lambda: (thumbs.peek,)), _state, ((2, 0, 0),), reads=True),
    "Queue.position": Row(_waiting(lambda: (thumbs.position, "b")), _state, ((2, 0, 0),), reads=True),
    "Queue.stats": Row(_waiting(lambda: (thumbs.stats,)), _state, ((2, 0, 0),), reads=True),
    "Queue.history": Row(_waiting(lambda: (thumbs.history,)), _state, ((2, 0, 0),), reads=True),
    "Queue.workers": Row(_waiting(lambda: (thumbs.workers,)), _state, ((2, 0, 0),), reads=True),
    "Queue.reprioritize": Row(_waiting(lambda: (thumbs.reprioritize, "a", 7)), _moved, (0, 1)),
    "Queue.remove": Row(_waiting(lambda: (thumbs.remove, "a")), _state, ((2, 0, 0), (1, 0, 0))),
    "Queue.purge": Row(_waiting(lambda: (thumbs.purge,)), _state, ((2, 0, 0), (0, 0, 0))),
    "Queue.dead": Row(_dead(lambda: (thumbs.dead,)), _state, ((0, 0, 1),), reads=True),
    "Queue.retry": Row(_dead(lambda: (thumbs.retry, "a")), _state, ((0, 0, 1), (1, 0, 0))),
    "Queue.discard": Row(_dead(lambda: (thumbs.discard, "a")), _state, ((0, 0, 1), (0, 0, 0))),
    "Queue.pause": Row(lambda: (thumbs.pause,), _is_paused, (0, 1)),
    "Queue.resume": Row(_paused, _is_paused, (1, 0)),
    "Take.begin": Row(_waiting(lambda: (thumbs.take().begin,)), _state, ((2, 0, 0), (1, 1, 0))),
    "Take.finish": Row(_waiting(_finish), _state, ((1, 1, 0), (1, 0, 0))),
    "Job.ack": Row(_in_hand(lambda job: (job.ack,)), _state, ((1, 1, 0), (1, 0, 0))),
    "Job.nack": Row(_in_hand(lambda job: (job.nack, "why", 60.0)), _state, ((1, 1, 0), (2, 0, 0))),
    "queues.step_once": Row(
        _claimed(lambda claims: (step_once, thumbs.place, Taker("me"), [done(claims[0])], 0, 0)),
        _state,
        ((0, 2, 0), (0, 1, 0)),
    ),
    "queues.recover": Row(_claimed(lambda _: (recover, thumbs.place, "me")), _state, ((0, 2, 0),), reads=True),
    "queues.release": Row(
        _claimed(lambda _: (release, thumbs.place, ["me"])), lambda redis: redis.zcount(KEYS.live, 0, 0), (0, 1)
    ),
    "queues.sleep": Row(
        _waiting(lambda: (sleep, thumbs.place, 0.05)), lambda redis: redis.llen(KEYS.wake), (1, 0), waits=True
    ),
    "queues.wait_and_step": Row(
        _waiting(lambda: (wait_and_step, thumbs.place, Taker("me", lease=60), 1, 0.05)),
        _state,
        ((2, 0, 0), (1, 1, 0)),
        waits=True,
    ),
    "queues.look": Row(_waiting(lambda: (look, thumbs.place, "a")), _state, ((2, 0, 0),), reads=True),
    "queues.wait_for_end": Row(_waiting(lambda: (wait_for_end, thumbs.place, "a", 0.05)), waits=True),
    "queues.fire": Row(
        lambda: (fire, thumbs.place, "daily", NOON, False, record(b"j1")), _state, ((0, 0, 0), (1, 0, 0))
    ),
    "RedisBackend.enter": Row(_task, _tasks, (0, 1)),
}
