"""Pushing, looking, and changing one's mind; what it costs."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import transaction
from django.test import override_settings

from django_redis_patterns.core import trace
from django_redis_patterns.core.operations import batch
from django_redis_patterns.exceptions import RedisUnavailable, SerializationError
from django_redis_patterns.queues import Queue, Waiting
from django_redis_patterns.testing.fixtures import Face

pytestmark = pytest.mark.permanent_keys("redis_patterns:queues:*")
NOWHERE = {**settings.REDIS_PATTERNS, "CONNECTIONS": {"default": {"URL": "redis://127.0.0.1:1/0"}}}


@pytest.fixture
def queue() -> Queue:
    return Queue("thumbs", max_attempts=1)


def waiting(queue: Queue) -> list[Any]:
    return [job.data for job in queue.peek(1000)]


def kill(queue: Queue, *data: Any) -> list[str]:
    """Make a dead letter of each, and return their ids."""
    ids = queue.push_many(data)
    with queue.take_many(len(data)) as jobs:
        for job in jobs:
            job.nack(f"no {job.data}")
    return ids


def test_push_is_one_command(face: Face, queue: Queue) -> None:
    """And returns the id."""
    face(queue.push, "first")
    with trace.record() as log:
        id = face(queue.push, {"id": 1})
    assert (log.trips, len(log.commands)) == (1, 1)
    assert face(queue.peek)[1:] == [Waiting(id, {"id": 1}, 0)]


def test_many_are_one_trip(face: Face, queue: Queue) -> None:
    """A command for each 200, in their order."""
    face(queue.push_many, [0])
    with trace.record() as log:
        ids = face(queue.push_many, range(1, 451))
    assert (log.trips, len(log.commands)) == (1, 3)
    assert [job.id for job in queue.peek(1000)][1:] == ids
    assert waiting(queue) == list(range(451))
    assert face(queue.push_many, []) == []


def test_pushes_share_a_trip_in_a_batch(queue: Queue) -> None:
    queue.push(0)
    with trace.record() as log, batch() as together:
        ids = [together(queue.push, number) for number in (1, 2)]
    assert log.trips == 1
    assert [job.id for job in queue.peek()][1:] == [id.value for id in ids]


def test_an_id_is_pushed_once(face: Face, queue: Queue) -> None:
    """While its job is there: waiting, taken or dead."""
    assert face(queue.push, 1, id="mine") == face(queue.push, 2, id="mine", priority=9) == "mine"
    assert queue.peek() == [Waiting("mine", 1, 0)]
    with queue.take() as job:
        assert job is not None
        face(queue.push, 3, id="mine")
        assert queue.stats().waiting == 0
        job.nack()
    face(queue.push, 4, id="mine")
    assert (queue.stats().waiting, queue.stats().dead) == (0, 1)


def test_an_id_is_known_for_ten_seconds_after_its_end(queue: Queue) -> None:
    """So that a push whose reply was lost does not come twice."""
    queue.push(1, id="mine")
    began = time.monotonic()
    with queue.take():
        pass
    queue.push(1, id="mine")
    assert queue.stats().waiting == 0 or time.monotonic() - began > 9


def test_a_unique_text_is_there_once(face: Face, queue: Queue) -> None:
    """Until its job has ended; whoever pushes meanwhile is given its id."""
    first = face(queue.push, 1, unique="ann")
    assert face(queue.push, 2, unique="ann") == first
    assert face(queue.push, 2, unique="bob") != first
    with queue.take() as job:
        assert job is not None
        assert face(queue.push, 2, unique="ann") == first
    assert face(queue.push, 3, unique="ann") != first
    assert waiting(queue) == [2, 3]


def test_a_higher_priority_is_first(face: Face, queue: Queue) -> None:
    """And those of one come in their order."""
    for number, priority in enumerate([0, -100, 100, 1, 0, 100, -100]):
        face(queue.push, number, priority=priority)
    assert waiting(queue) == [2, 5, 3, 0, 4, 1, 6]
    with queue.take_many(10) as jobs:
        assert [job.data for job in jobs] == [2, 5, 3, 0, 4, 1, 6]
        assert [job.priority for job in jobs] == [100, 100, 1, 0, 0, -100, -100]


def test_what_is_delayed_waits_until_it_is_due(face: Face, queue: Queue, bare_redis: redis.Redis) -> None:
    """Then it takes its place by its priority."""
    late = face(queue.push, "late", delay=timedelta(hours=1), priority=5)
    face(queue.push_many, ["too", "late"], delay=3600)
    queue.push("now")
    assert waiting(queue) == ["now"]
    assert queue.stats()[:2] == (1, 3)
    bare_redis.zadd(queue.place.keys.later, {late: 1})
    assert waiting(queue) == ["late", "now"]


@pytest.mark.django_db(transaction=True)
def test_on_commit_all_go_together(queue: Queue) -> None:
    """In their order, as they were when they were pushed."""
    mutable = {"n": 1}
    with trace.record() as log, transaction.atomic():
        id = queue.push_on_commit(mutable)
        queue.push_on_commit(2, priority=1, id="mine")
        queue.push_on_commit(3, delay=3600)
        mutable["n"] = 2
        assert log.trips == 0
    assert queue.peek() == [Waiting("mine", 2, 1), Waiting(id, {"n": 1}, 0)]
    assert queue.stats().later == 1
    with trace.record() as log, transaction.atomic():
        queue.push_on_commit(4)
        queue.push_on_commit(5)
    assert log.trips == 1


@pytest.mark.django_db(transaction=True)
def test_nothing_is_pushed_on_rollback(queue: Queue) -> None:
    """What JSON cannot hold is told where it is pushed; outside of a transaction it goes at once."""
    with suppress(LookupError), transaction.atomic():
        queue.push_on_commit(1)
        raise LookupError
    with transaction.atomic(), pytest.raises(SerializationError):
        queue.push_on_commit(object())
    queue.push_on_commit(3)
    assert waiting(queue) == [3]


@pytest.mark.django_db(transaction=True)
def test_a_commit_stands_when_redis_is_away(queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    """With a line in the log; a plain push says so."""
    with override_settings(REDIS_PATTERNS=NOWHERE):
        with transaction.atomic():
            queue.push_on_commit(1)
        with pytest.raises(RedisUnavailable):
            queue.push(1)
    assert len(caplog.records) == 1


def test_looking_is_one_trip(face: Face, queue: Queue) -> None:
    """And takes nothing."""
    queue.push_many([1, 2, 3])
    id = queue.push(4, priority=-1)
    for look in (lambda: face(queue.peek, 2), lambda: face(queue.position, id), lambda: face(queue.stats)):
        look()
        with trace.record() as log:
            look()
        assert log.trips == 1
    assert [job.data for job in face(queue.peek, 2)] == [1, 2]
    assert face(queue.position, id) == 4
    assert face(queue.position, "nobody") is None


def test_only_what_waits_has_a_position(face: Face, queue: Queue) -> None:
    later = queue.push(1, delay=3600)
    (dead,) = kill(queue, 2)
    queue.push(3)
    with queue.take() as job:
        assert job is not None
        assert [face(queue.position, id) for id in (later, dead, job.id)] == [None, None, None]


def test_another_priority_is_another_place(face: Face, queue: Queue) -> None:
    """Behind those that have it; what is due later keeps it for then."""
    ids = queue.push_many([0, 1, 2])
    queue.push(3, priority=5)
    later = queue.push(4, delay=3600)
    assert face(queue.reprioritize, ids[2], 5)
    assert face(queue.reprioritize, later, 5)
    assert waiting(queue) == [3, 2, 0, 1]
    assert face(queue.reprioritize, ids[2], 0)
    assert waiting(queue) == [3, 0, 1, 2]
    assert queue.stats().later == 1
    assert not face(queue.reprioritize, "nobody", 5)


def test_only_what_waits_is_removed(face: Face, queue: Queue) -> None:
    """And whoever wants its unique text may have it."""
    queue.push("taken", id="taken")
    with queue.take():
        kept = [*kill(queue, "dead"), "taken", "nobody"]
        gone = [queue.push(1, unique="ann"), queue.push(2, priority=3), queue.push(3, delay=3600)]
        assert face(queue.remove, *gone, *kept) == 3
        assert queue.stats()[:5] == (0, 0, 1, 0, 1)
    assert face(queue.remove) == 0
    queue.push(4, unique="ann")
    assert waiting(queue) == [4]


def test_purge_removes_all_that_waits(face: Face, queue: Queue) -> None:
    """Whatever kind of place it has."""
    kill(queue, "dead")
    queue.push_many(range(1500))
    queue.push_many([1, 2], priority=1)
    queue.push(3, delay=3600)
    assert face(queue.purge) == 1503
    assert queue.stats()[:5] == (0, 0, 0, 0, 1)


def test_dead_letters_tell_why(face: Face, queue: Queue) -> None:
    """The last one first."""
    ids = kill(queue, "one", "two")
    assert [(one.id, one.data, one.reason, one.failures) for one in face(queue.dead)] == [
        (ids[1], "two", "no two", 1),
        (ids[0], "one", "no one", 1),
    ]
    assert [letter.id for letter in face(queue.dead, 1)] == ids[1:]


def test_who_says_a_delay_makes_no_dead_letter(face: Face, queue: Queue) -> None:
    """However often it has failed: it is asked for."""
    queue.push(1)
    for attempt in (1, 2, 3):
        with queue.take() as job:
            assert job is not None
            assert job.attempt == attempt
            face(job.nack, delay=0)
    assert queue.stats().dead == 0


def test_dead_letters_run_again(face: Face, queue: Queue) -> None:
    """With all their attempts; one whose unique text another has stays dead."""
    ids = kill(queue, "one", "two")
    assert face(queue.retry, ids[0], "nobody") == 1
    assert face(queue.retry) == 0
    with queue.take() as job:
        assert job is not None
        assert (job.id, job.data, job.attempt) == (ids[0], "one", 1)
    dead = queue.push("three", unique="ann")
    with queue.take() as job:
        assert job is not None
        job.nack()
    queue.push("four", unique="ann")
    assert face(queue.retry, dead) == 0
    assert {letter.id for letter in queue.dead()} == {ids[1], dead}


def test_dead_letters_are_discarded(face: Face, queue: Queue) -> None:
    (id,) = kill(queue, "one")
    assert face(queue.discard, id, "nobody") == 1
    assert face(queue.discard, id) == face(queue.discard) == 0
    assert queue.dead() == []


def test_so_many_dead_letters_are_kept(queue: Queue) -> None:
    """The oldest go."""
    with override_settings(REDIS_PATTERNS={**settings.REDIS_PATTERNS, "QUEUES": {"MAX_DEAD": 2}}):
        for data in (1, 2, 3):
            kill(queue, data)
    assert [letter.data for letter in queue.dead()] == [3, 2]


def test_nothing_is_taken_from_a_queue_that_is_paused(face: Face, queue: Queue) -> None:
    queue.push(1)
    face(queue.pause)
    assert face(queue.stats).is_paused
    with queue.take() as job:
        assert job is None
    assert face(queue.resume)
    assert not face(queue.resume)
    with queue.take() as job:
        assert job is not None


def test_its_history_counts(face: Face, queue: Queue) -> None:
    kill(queue, 1, 2)
    queue.push(3)
    with queue.take():
        pass
    told = face(queue.history, 3)
    assert [sum(kind) for kind in list(zip(*told, strict=True))[1:6]] == [3, 1, 0, 2, 0]
    assert len(told) == 3


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda queue: Queue(""), "A queue's name is a text of 1 to 40 characters"),
        (lambda queue: Queue("x", max_attempts=0), "max_attempts is 1 or more"),
        (lambda queue: queue.push(1, priority=101), "priority is from -100 to 100, not 101"),
        (lambda queue: queue.push(1, priority=1.5), "priority is a whole number, not 1.5"),
        (lambda queue: queue.push(1, id=""), "A job's id is a text of 1 to 64 ASCII characters"),
        (lambda queue: queue.push(1, id=7), "A job's id is a text of 1 to 64 ASCII characters, not 7"),
        (lambda queue: queue.push(1, unique=7), "unique is a text"),
        (lambda queue: queue.push_many([1], delay=-1), "delay is from 0 seconds to ten years"),
        (lambda queue: queue.take(wait=-1), "wait is from 0 seconds to ten years"),
        (lambda queue: queue.reprioritize("x", -101), "priority is from -100 to 100"),
        (lambda queue: queue.peek(0), "count is from 1 to 1000, not 0"),
        (lambda queue: queue.dead(1001), "count is from 1 to 1000, not 1001"),
        (lambda queue: queue.remove(*map(str, range(1001))), "At most 1000 ids a call, not 1001"),
    ],
    ids=lambda told: told if isinstance(told, str) else "",
)
def test_what_is_wrong_is_told(queue: Queue, wrong: Callable[[Queue], object], told: str) -> None:
    """Before anything is sent."""
    with trace.record() as log, pytest.raises((ValueError, TypeError), match=told):
        wrong(queue)
    assert log.commands == []


@pytest.mark.parametrize("data", [object(), {1, 2}, b"bytes"], ids=["object", "set", "bytes"])
def test_what_json_cannot_hold_is_refused(face: Face, queue: Queue, data: Any) -> None:
    """Before anything is sent, also when it is one of many."""
    with trace.record() as log, pytest.raises(SerializationError):
        face(queue.push_many, [1, data])
    assert log.commands == []


def test_who_is_at_work_is_told_in_one_trip(face: Face, queue: Queue) -> None:
    """With what each has in hand, since when, and how long its lease lasts."""
    ids = queue.push_many([1, 2, 3])
    before = datetime.now(UTC) - timedelta(seconds=1)
    with queue.take_many(2), queue.take() as job:
        assert job is not None
        face(queue.workers)  # now Redis has the script
        with trace.record() as log:
            told = face(queue.workers)
        assert log.trips == 1
        assert sorted(([one.data for one in worker.jobs] for worker in told), key=len) == [[3], [1, 2]]
        (mine,) = [worker for worker in told if worker.jobs[0].id == ids[2]]
        assert before < mine.jobs[0].since < datetime.now(UTC) + timedelta(seconds=1)
        assert 0 < mine.lease <= 15
    assert face(queue.workers) == []
