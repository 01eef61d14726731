"""What the runtime is made of, part by part."""

import os
import subprocess
import sys
from collections.abc import Iterable

import pytest

from django_redis_patterns.core.worker.appetite import Appetite
from django_redis_patterns.core.worker.backoff import exponential
from django_redis_patterns.core.worker.custody import Custody
from django_redis_patterns.core.worker.feed import Done, Job
from django_redis_patterns.core.worker.identity import is_surely_dead, name_of
from tests.core.worker.room import Word, Words


class Lanes:
    """Runs nothing, and knows what would run."""

    def __init__(self) -> None:
        self.running: list[str] = []

    def put(self, jobs: Iterable[Job]) -> None:
        self.running += [job.text for job in jobs]

    def withdraw(self) -> list[Job]:
        return []


@pytest.fixture
def lanes() -> Lanes:
    return Lanes()


@pytest.fixture
def custody(lanes: Lanes) -> Custody:
    return Custody(Words("me", concurrency=4, ahead=16), lanes)


def of_ann(count: int) -> list[Word]:
    return [Word(f"sleep:0:{number}:ann") for number in range(count)]


def run(custody: Custody, jobs: list[Word]) -> None:
    custody.accept(jobs)
    for job in jobs:
        custody.ended(Done(job))


def texts(done: Iterable[Done]) -> list[tuple[str, bool]]:
    return [(one.job.text, one.ran) for one in done]


def test_backoff_doubles_up_to_its_end() -> None:
    """With some of it left to chance, so that what failed together does not come back together."""
    backoff = exponential(2, max=30)
    for attempt, longest in ((1, 2), (2, 4), (3, 8), (5, 30), (10_000, 30)):
        waits = [backoff(ValueError(), attempt) for _ in range(50)]
        assert longest / 2 <= min(waits) < max(waits) <= longest


@pytest.mark.parametrize(("first", "most"), [(0, 10), (-1, 10), (11, 10)])
def test_backoff_refuses_what_makes_no_sense(first: float, most: float) -> None:
    with pytest.raises(ValueError, match="0 < first <= max"):
        exponential(first, max=most)


def test_short_jobs_are_taken_ahead_and_long_ones_are_not() -> None:
    appetite = Appetite(concurrency=4, most=64)
    assert appetite.ahead == 0
    for _ in range(50):
        appetite.learn(0.001)
    assert appetite.ahead == 64
    appetite.learn(1)
    assert appetite.ahead == 0


def test_ends_that_cannot_be_recorded_leave_no_room_for_more(custody: Custody) -> None:
    """So an outage fills no memory, however short the jobs are."""
    for number in range(50):
        run(custody, [Word(f"sleep:0:{number}")])
        custody.recorded(custody.collect())
    assert custody.free == 4 + 16
    sent: list[Done] = []
    while custody.free > 0:
        run(custody, [Word("sleep:0:0")])
        sent += custody.collect()  # and no reply comes
    assert len(sent) == 4 + 16
    custody.put_back(sent)
    custody.recorded(custody.collect())
    assert custody.free == 4 + 16


def test_a_failed_job_brings_back_those_behind_it(custody: Custody, lanes: Lanes) -> None:
    """Of its key, in order, and together with it."""
    first, *behind = jobs = of_ann(3)
    custody.accept([*jobs, Word("sleep:0:9")])
    assert lanes.running == ["sleep:0:0:ann", "sleep:0:9"]
    custody.ended(Done(first, error=ValueError()))
    assert texts(custody.collect()) == [("sleep:0:0:ann", True), *((job.text, False) for job in behind)]
    assert lanes.running == ["sleep:0:0:ann", "sleep:0:9"]


def test_at_the_end_nothing_of_a_key_comes_back_before_what_runs(custody: Custody, lanes: Lanes) -> None:
    """Else another could run it first."""
    first, *behind = jobs = of_ann(3)
    custody.accept(jobs)
    custody.close()
    assert custody.collect() == []
    custody.ended(Done(first))
    assert texts(custody.collect()) == [(first.text, True), *((job.text, False) for job in behind)]
    assert lanes.running == [first.text]


def test_what_was_given_up_ends_only_once(custody: Custody) -> None:
    """Its handler may be at it still; what it says later counts no more."""
    (job,) = of_ann(1)
    custody.accept([job])
    custody.close()
    assert custody.give_up() == 1
    custody.ended(Done(job))
    assert texts(custody.collect()) == [(job.text, False)]


def test_what_comes_too_late_is_given_back(custody: Custody, lanes: Lanes) -> None:
    """A take that was under way when the end came."""
    custody.close()
    custody.accept([Word("sleep:0:1")])
    assert texts(custody.collect()) == [("sleep:0:1", False)]
    assert lanes.running == []


def test_a_process_is_surely_dead_only_when_that_is_sure() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as program:
        name = name_of(program.pid)
        assert not is_surely_dead(name)
        program.kill()
    assert is_surely_dead(name) or not os.path.exists("/proc")
    host, pid, started, world = name.split(".")
    assert not is_surely_dead(f"{host}.{pid}.{started}.elsewhere")
    assert not is_surely_dead(f"{host}.{pid}.{started}.")
    assert not is_surely_dead("somebody")
    assert is_surely_dead(f"{host}.{os.getpid()}.1.{world}") or not os.path.exists("/proc")
