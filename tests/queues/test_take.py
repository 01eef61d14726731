"""Taking, and how what was taken ends."""

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import override_settings

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.queues import Job, JobLost, Queue
from django_redis_patterns.queues.moves import release
from django_redis_patterns.queues.records import Entry
from django_redis_patterns.testing.fixtures import Face
from tests.core.worker.conftest import until

pytestmark = pytest.mark.permanent_keys("redis_patterns:queues:*")

Within = Callable[[Any, Callable[[Any], object]], None]


@pytest.fixture
def queue() -> Queue:
    return Queue("thumbs", backoff=lambda error, attempt: 0)


@pytest.fixture(params=["with", "async with"])
def within(request: pytest.FixtureRequest) -> Within:
    """Run a function with what was taken, in a block of either kind."""

    def run(take: Any, block: Callable[[Any], object]) -> None:
        with take as taken:
            block(taken)

    async def arun(take: Any, block: Callable[[Any], object]) -> None:
        try:
            async with take as taken:
                block(taken)
        finally:
            await adisconnect()

    return run if request.param == "with" else lambda take, block: asyncio.run(arun(take, block))


def fail(_: object) -> None:
    raise LookupError("no such picture")


def die(queue: Queue, redis: redis.Redis) -> None:
    """Let whoever has something be dead, and let somebody find that out."""

    def is_over() -> bool:  # not at once, when its lease is just being renewed
        release(queue.place, redis.zrange(queue.place.keys.live, 0, -1))
        return queue.stats().running == 0

    until(is_over)


def test_the_end_of_the_block_acks(queue: Queue, within: Within) -> None:
    """One trip to take, and one to ack; meanwhile the job is in Redis."""
    id = queue.push({"id": 1})

    def block(job: Job) -> None:
        assert (job.id, job.data, job.attempt, job.priority, job.deaths) == (id, {"id": 1}, 1, 0, [])
        assert queue.stats().running == 1

    within(queue.take(), lambda job: None)
    queue.push({"id": 1}, id=(id := "again"))
    within(queue.take(), block)
    queue.push({"id": 2})
    with trace.record() as log:
        within(queue.take(), lambda job: None)
    assert log.trips == 2
    assert queue.stats()[:5] == (0, 0, 0, 0, 0)


def test_nothing_is_none(queue: Queue, within: Within) -> None:
    """Or no jobs; which takes one trip."""
    within(queue.take(), lambda job: None)
    with trace.record() as log:
        within(queue.take(), lambda job: log.commands[0] if job is None else fail(job))
    assert log.trips == 1
    within(queue.take_many(5), lambda jobs: None if jobs == [] else fail(jobs))


def test_who_waits_is_given_what_comes(queue: Queue, within: Within) -> None:
    """From somebody else, or when it is due."""
    queue.push("due", delay=0.05)
    within(queue.take(wait=timedelta(seconds=60)), lambda job: None if job.data == "due" else fail(job))
    pusher = threading.Timer(0.05, queue.push, ["pushed"])
    pusher.start()
    within(queue.take(wait=60), lambda job: None if job.data == "pushed" else fail(job))
    pusher.join()


def test_an_exception_nacks_and_passes_on(within: Within) -> None:
    """The backoff is asked with the error and how often it failed; after the last attempt there is a dead letter."""
    asked: list[tuple[str, int]] = []

    def backoff(error: BaseException, attempt: int) -> float:
        asked.append((repr(error), attempt))
        return 0

    queue = Queue("thumbs", max_attempts=3, backoff=backoff)
    id = queue.push(7)
    for attempt in (1, 2, 3):
        with pytest.raises(LookupError):
            within(queue.take(), lambda job, attempt=attempt: fail(job) if job.attempt == attempt else None)
    assert asked == [("LookupError('no such picture')", 1), ("LookupError('no such picture')", 2)]
    (letter,) = queue.dead()
    assert (letter.id, letter.data, letter.failures) == (id, 7, 3)
    assert letter.reason == "LookupError: no such picture"


def test_what_failed_waits_for_its_backoff() -> None:
    """Which may also give up."""
    queue = Queue("thumbs", backoff=lambda error, attempt: 3600)
    queue.push(1)
    with pytest.raises(LookupError), queue.take() as job:
        fail(job)
    assert (queue.stats().waiting, queue.stats().later) == (0, 1)
    queue.purge()
    queue.push(2)
    with pytest.raises(LookupError), Queue("thumbs", backoff=lambda error, attempt: None).take() as job:
        fail(job)
    assert [letter.failures for letter in queue.dead()] == [1]


@pytest.mark.parametrize("chosen", [-1, float("inf"), float("nan"), 1e300, "soon", LookupError], ids=str)
def test_a_backoff_that_is_wrong_loses_no_job(chosen: Any, within: Within, caplog: pytest.LogCaptureFixture) -> None:
    """It is told in the log, and the job runs again later."""

    def backoff(error: BaseException, attempt: int) -> Any:
        return chosen if chosen is not LookupError else 1 / 0

    queue = Queue("thumbs", backoff=backoff)
    queue.push(1)
    with caplog.at_level(logging.ERROR), pytest.raises(LookupError):
        within(queue.take(), fail)
    assert "The backoff of thumbs failed." in caplog.text
    assert (queue.stats().running, queue.stats().later, queue.stats().dead) == (0, 1, 0)


@pytest.mark.parametrize(
    "delay", [-1, -0.001, float("inf"), float("nan"), timedelta(days=-1), 1e300, "1", True], ids=str
)
def test_a_delay_that_is_none_is_refused(queue: Queue, delay: Any) -> None:
    """And changes nothing: the job is in hand as before."""
    queue.push(1)
    with queue.take() as job:
        assert job
        with pytest.raises((ValueError, TypeError), match=r"^delay is "):
            job.nack(delay=delay)
        with pytest.raises((ValueError, TypeError), match=r"^delay is "):
            queue.push(2, delay=delay)
        assert queue.stats().running == 1
    assert queue.stats()[:5] == (0, 0, 0, 0, 0)


def test_an_error_that_cannot_be_told_is_one(queue: Queue) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    queue.push(1)
    with pytest.raises(Mute), queue.take():
        raise Mute
    assert (queue.stats().running, queue.stats().waiting) == (0, 1)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_who_is_told_to_stop_gives_back(queue: Queue, stop: type[BaseException]) -> None:
    """To the front, and no attempt counts."""
    queue.push_many([1, 2])
    with pytest.raises(stop), queue.take():
        raise stop
    with queue.take_many(2) as jobs:
        assert [(job.data, job.attempt) for job in jobs] == [(1, 1), (2, 1)]


def test_a_block_may_end_its_jobs_itself(queue: Queue, face: Face) -> None:
    """The end of the block does what it has not done, and an end that is told twice counts once."""
    queue.push_many(["acked", "nacked", "later", "left"])
    with queue.take_many(10) as jobs:
        acked, nacked, later, _ = jobs
        face(acked.ack)
        face(acked.ack)
        face(nacked.nack, "not now", delay=0)
        face(nacked.ack)
        face(later.nack, delay=timedelta(hours=1))
        assert queue.stats()[:3] == (1, 1, 1)
    assert [job.data for job in queue.peek()] == ["nacked"]
    assert queue.stats()[:3] == (1, 1, 0)
    with queue.take() as job:
        assert job is not None
        assert job.attempt == 2


def test_an_exception_nacks_what_is_left(queue: Queue, within: Within) -> None:
    def block(jobs: list[Job]) -> None:
        jobs[0].ack()
        fail(jobs)

    queue.push_many(["acked", "left"])
    with pytest.raises(LookupError):
        within(queue.take_many(2), block)
    with queue.take_many(2) as jobs:
        assert [(job.data, job.attempt) for job in jobs] == [("left", 2)]


@pytest.mark.parametrize("count", [0, -1, 1001])
def test_so_many_cannot_be_taken(queue: Queue, count: int) -> None:
    with pytest.raises(ValueError, match=f"from 1 to 1000, not {count}"):
        queue.take_many(count)


def test_who_was_taken_over_is_told(queue: Queue, within: Within, bare_redis: redis.Redis) -> None:
    """And what it says does not count: the job is another's."""
    id = queue.push(1)

    def lose(job: Job) -> None:
        die(queue, bare_redis)
        with queue.take() as taken:
            assert taken is not None
            assert (taken.id, taken.attempt, len(taken.deaths)) == (id, 1, 1)
            taken.nack(delay=0)

    with pytest.raises(JobLost, match=id):
        within(queue.take(), lose)
    assert [job.id for job in queue.peek()] == [id]
    assert sum(minute.lost for minute in queue.history(2)) == 1


def test_losing_a_job_hides_no_error(
    queue: Queue, within: Within, bare_redis: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """What went wrong in the block is what is raised; the loss is in the log."""
    queue.push(1)

    def lose(job: Job) -> None:
        die(queue, bare_redis)
        fail(job)

    with pytest.raises(LookupError):
        within(queue.take(), lose)
    assert "was taken over" in caplog.text
    assert queue.stats().waiting == 1


def test_an_ack_that_comes_too_late_raises(queue: Queue, within: Within, bare_redis: redis.Redis) -> None:
    def block(job: Job) -> None:
        die(queue, bare_redis)
        job.ack()

    queue.push(1)
    with pytest.raises(JobLost):
        within(queue.take(), block)
    assert queue.stats().waiting == 1


def test_a_job_in_hand_is_held_for_as_long_as_it_takes(queue: Queue, bare_redis: redis.Redis) -> None:
    queue.push(1)
    live = queue.place.keys.live
    with override_settings(REDIS_PATTERNS={**settings.REDIS_PATTERNS, "QUEUES": {"LEASE": 5}}), queue.take():
        ((name, till),) = bare_redis.zrange(live, 0, -1, withscores=True)
        until(lambda: bare_redis.zscore(live, name) > till)
    assert queue.stats()[:3] == (0, 0, 0)


def test_what_killed_twice_runs_alone_and_then_never(queue: Queue, within: Within, bare_redis: redis.Redis) -> None:
    """With a reason that says so."""
    taken = []

    def lose(jobs: list[Job]) -> None:
        taken.append([(job.data, len(job.deaths)) for job in jobs])
        for job in jobs[1:]:
            job.ack()
        die(queue, bare_redis)

    queue.push("killer")
    for _ in range(4):
        queue.push("other")
        with pytest.raises(JobLost):
            within(queue.take_many(10), lose)
    assert taken == [[("killer", 0), ("other", 0)], [("killer", 1), ("other", 0)], [("killer", 2)], [("killer", 3)]]
    (letter,) = queue.dead()
    assert (letter.data, letter.reason) == ("killer", "4 processes died while they had it")


@pytest.mark.parametrize("body", [b"", b"j{", b"\x80\x04K\x01.", b"j[" * 100_000], ids=lambda body: repr(body[:9]))
def test_what_nobody_can_read_is_a_dead_letter(queue: Queue, within: Within, body: bytes) -> None:
    """And the next one is taken instead, without waiting."""
    queue.add(Entry("forged", b"0 " + body), Entry("too", b"0 " + body))
    queue.push_many(["first", "second"])
    before = trace.counters().get("queues.undecodable", 0)
    within(queue.take(), lambda job: None if job.data == "first" else fail(job))
    within(queue.take(), lambda job: None if job.data == "second" else fail(job))
    assert trace.counters()["queues.undecodable"] == before + 2
    assert [(letter.id, letter.data) for letter in queue.dead()] == [("too", None), ("forged", None)]
    assert all(letter.reason for letter in queue.dead())
    assert queue.stats()[:5] == (0, 0, 0, 0, 2)


def test_what_nobody_remembers_is_given_back(queue: Queue) -> None:
    """A block that was begun and dropped keeps its job for no longer than its lease, which nobody renews."""
    with override_settings(REDIS_PATTERNS={**settings.REDIS_PATTERNS, "QUEUES": {"LEASE": 1}}):
        queue.push(1)
        queue.take().begin()
        with queue.take(wait=20) as job:
            assert job.deaths
