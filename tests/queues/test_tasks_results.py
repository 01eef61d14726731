"""What a result says, from the moment that its task is enqueued."""

import copy
import pickle
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import client
from django_redis_patterns.exceptions import TaskKilled
from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.tasks import RedisBackend, RedisTask, run_tasks
from django_redis_patterns.queues.tasks.framework import (
    TaskError,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_backends,
)
from django_redis_patterns.queues.tasks.stored import told_of
from tests.errands import tasks
from tests.queues.hands import Child

pytestmark = pytest.mark.permanent_keys("*:queues:*")
READY, RUNNING = TaskResultStatus.READY, TaskResultStatus.RUNNING
SUCCESSFUL, FAILED = TaskResultStatus.SUCCESSFUL, TaskResultStatus.FAILED


def backend(alias: str = "default") -> RedisBackend:
    found = task_backends[alias]
    assert isinstance(found, RedisBackend)
    return found


def test_a_result_tells_each_state_of_its_task() -> None:
    """Ready, running, ready again after a failure, and successful: with workers, errors and moments of all attempts."""
    result = tasks.fail_until.enqueue(2)
    assert (result.status, result.attempts, result.started_at) == (READY, 0, None)
    first = Child("one").take()
    result.refresh()
    assert (result.status, result.worker_ids) == (RUNNING, ["one"])
    assert result.started_at == result.last_attempted_at is not None
    Child("one").run(first)
    result.refresh()
    assert (result.status, result.worker_ids, result.finished_at) == (READY, ["one"], None)
    assert result.errors[0].exception_class is ValueError
    assert result.errors[0].traceback.startswith("Traceback (most recent call last):")
    assert result.errors[0].traceback.endswith("ValueError\n")
    started = result.started_at
    Child("two").run()
    result.refresh()
    assert (result.status, result.return_value, result.worker_ids) == (SUCCESSFUL, 2, ["one", "two"])
    assert (len(result.errors), result.started_at) == (1, started)
    moments: list[Any] = [result.enqueued_at, result.started_at, result.last_attempted_at, result.finished_at]
    assert moments == sorted(moments)


def test_attempts_count_failures_and_deaths_of_one_worker_alike() -> None:
    """A child that failed at a task, failed again and died at it had it three times."""
    result = tasks.fail_until.enqueue(4)
    child = Child("one")
    child.run()
    child.take()
    child.die()
    for _ in range(2):
        Child("two").run()
    result.refresh()
    assert result.attempts == 4
    assert sorted(result.worker_ids) == ["one", "one", "two", "two"]


def test_a_task_that_kills_has_failed_and_says_so() -> None:
    """Nobody can raise for who is dead: the error of its result is made up."""
    result = tasks.add.enqueue(1)
    for number in range(4):
        child = Child(f"child-{number}")
        child.take()
        child.die()
    result.refresh()
    assert (result.status, result.attempts) == (FAILED, 4)
    assert result.errors[0].exception_class is TaskKilled
    assert result.errors[0].traceback == "4 processes died while they had it"
    with pytest.raises(ValueError, match="Task failed"):
        _ = result.return_value


def test_what_signals_and_callers_see_is_what_is_stored() -> None:
    """The result of a run, and the one that is got later, are equal: moments are rounded in the same way."""
    enqueued = [tasks.add.enqueue(1), tasks.fail.using(priority=-3).enqueue("no")]
    assert [backend().get_result(result.id) for result in enqueued] == enqueued
    (ran,) = run_tasks()[:1]
    assert backend().get_result(ran.id) == ran


def test_moments_are_in_order_though_the_clock_of_the_producer_is_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a task did before it was enqueued nobody wants to know."""
    ahead = timezone.now() + timedelta(seconds=90)
    monkeypatch.setattr("django_redis_patterns.queues.ids._last", 0)
    monkeypatch.setattr("time.time_ns", lambda: int(ahead.timestamp() * 1e9))
    result = tasks.add.enqueue(1)
    monkeypatch.undo()
    job = Child("one").take()
    result.refresh()
    assert result.enqueued_at == result.started_at
    Child("one").run(job)
    result.refresh()
    assert result.enqueued_at == result.started_at == result.finished_at
    assert result.enqueued_at is not None
    assert result.enqueued_at > timezone.now()


@pytest.mark.parametrize("use_tz", [True, False])
def test_moments_are_as_the_site_has_them(use_tz: bool) -> None:
    """Aware with ``USE_TZ``, naive and local without; ``run_after`` to the microsecond."""
    with override_settings(USE_TZ=use_tz):
        chosen = timezone.now() + timedelta(hours=2, microseconds=7)
        later = tasks.add.using(run_after=chosen).enqueue(1)
        assert backend().get_result(later.id).task.run_after == chosen
        assert backend().get_result(later.id) == later
        before = timezone.now() - timedelta(milliseconds=1)
        tasks.add.enqueue(1)
        (ran,) = run_tasks()
        stored = backend().get_result(ran.id)
        for at in (stored.enqueued_at, stored.started_at, stored.last_attempted_at, stored.finished_at):
            assert before <= at <= timezone.now()


def test_a_task_does_not_run_before_its_moment() -> None:
    """A part of a millisecond counts as a whole one."""
    moment = datetime(2035, 1, 1, microsecond=1, tzinfo=timezone.get_fixed_timezone(60))
    result = tasks.add.using(run_after=moment).enqueue(1)
    ((_, due),) = client().zrange(Queue("default").place.keys.later, 0, -1, withscores=True)
    assert (result.status, due) == (READY, moment.replace(microsecond=1000).timestamp() * 1000)


@pytest.mark.parametrize(
    "id", ["", ".", "x", "x.", ".default", "x.default", "é\n{y}.default", "x" * 999, "x." + "q" * 41]
)
def test_an_id_of_nothing_has_no_result(id: str) -> None:
    with pytest.raises(TaskResultDoesNotExist):
        backend().get_result(id)


def test_asking_for_results_of_invented_queues_keeps_nothing() -> None:
    """Ids come from outside: a process that is asked for a million of them stays as it is."""
    for number in range(10):
        with pytest.raises(TaskResultDoesNotExist):
            backend("any").get_result(f"x.invented-{number}")
    assert not backend("any").cancel("x.invented")
    assert not any("invented" in name for name in backend("any")._queues)


def test_ids_of_results_are_short_and_those_of_a_queue_that_settings_have_lost_are_known() -> None:
    """Django allows 63 characters. What was enqueued before a deployment can still be asked for after it."""
    long = tasks.add.using(backend="any", queue_name="q" * 40).enqueue(1)
    assert len(long.id) < 64
    result = tasks.whose.enqueue("ann")
    assert result.task.queue_name == "mail"
    here = {"BACKEND": f"{RedisBackend.__module__}.RedisBackend", "QUEUES": ["default"]}
    with override_settings(TASKS={"default": here}):
        assert backend().get_result(result.id) == result


def test_each_question_is_one_trip() -> None:
    def ask() -> None:
        result = tasks.add.enqueue(1)
        result.refresh()
        backend().get_result(result.id)
        result.cancel()

    ask()  # the server knows the scripts then
    with trace.record() as log:
        ask()
    assert log.trips == 4


def test_a_task_that_a_backend_is_handed_is_its_own() -> None:
    """`task_backends["any"].enqueue` of a task of another backend: the result is found again where it is."""
    result = backend("any").enqueue(tasks.add, (1,), {"b": 2})
    assert (result.backend, result.task.backend) == ("any", "any")
    result.refresh()
    assert backend("any").get_result(result.id) == result


@pytest.mark.parametrize("task", [tasks.add, tasks.fail, tasks.fail_until, tasks.greet], ids=lambda task: task.name)
def test_tasks_and_results_can_be_pickled_and_copied(task: RedisTask[Any, Any]) -> None:
    """Also with a backoff that is a lambda: functions are those that the other side declares."""
    changed = task.using(priority=7, run_after=timezone.now())
    assert pickle.loads(pickle.dumps(changed)) == changed
    result = changed.enqueue("1")
    assert pickle.loads(pickle.dumps(result)) == result
    copied = copy.deepcopy(result)
    assert copied == result
    assert copied.args is not result.args


def test_a_pickle_of_what_is_no_task_is_refused() -> None:
    forged = RedisTask.__reduce__(tasks.add)
    with pytest.raises(ValueError, match=r"Expected 'os\.getcwd' to point to a Task"):
        forged[0]("os.getcwd", {})


def test_what_cannot_be_stored_is_an_error_of_the_caller() -> None:
    """Nothing is enqueued then."""
    for unfit in (datetime.now(), object(), b"\xff", {1, 2}):
        with pytest.raises((TypeError, ValueError)):
            tasks.add.enqueue(unfit)
    assert Queue("default").peek() == []


@pytest.mark.parametrize("name", ["unsayable", "unstorable"])
def test_a_task_that_returns_what_cannot_be_stored_has_failed(name: str) -> None:
    """It has no value then, neither in memory nor in Redis."""
    result = getattr(tasks, name).enqueue()
    (ran,) = run_tasks()
    result.refresh()
    assert ran == result
    assert (result.status, result._return_value) == (FAILED, None)
    assert result.errors[0].exception_class in (TypeError, ValueError)


def test_a_task_that_exits_has_failed() -> None:
    """As in a worker, SystemExit ends the task and not the process; Ctrl-C ends the process."""
    result = tasks.leave.enqueue("SystemExit")
    run_tasks()
    result.refresh()
    assert (result.status, result.errors[0].exception_class) == (FAILED, SystemExit)
    tasks.leave.enqueue("KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        run_tasks()


def test_a_burst_says_what_it_cannot_run() -> None:
    with pytest.raises(ValueError, match="names no queues"):
        run_tasks(backend="any")
    with (
        override_settings(TASKS={"default": {"BACKEND": "django_redis_patterns.queues.tasks.DummyBackend"}}),
        pytest.raises(ValueError, match="no RedisBackend"),
    ):
        run_tasks()


def test_of_many_failures_the_last_ones_are_told_at_length() -> None:
    """Of those before them what was raised: the memory of a task that fails for ever is bounded."""
    errors = [
        TaskError(exception_class_path="builtins.ValueError", traceback=f"Traceback:\n  a line\nValueError: {n}\n")
        for n in range(12)
    ]
    told = told_of(errors)
    assert told[:2] == [["builtins.ValueError", "ValueError: 0"], ["builtins.ValueError", "ValueError: 1"]]
    assert told[2:] == [[error.exception_class_path, error.traceback] for error in errors[2:]]


def test_a_dead_letter_that_is_retried_has_all_its_attempts() -> None:
    """Its result tells of those before, too."""
    result = tasks.fail.enqueue("no")
    child, queue = Child("me"), Queue("default")
    for _ in range(3):
        child.run()
    assert queue.retry(result.id.split(".")[0]) == 1
    for attempt in (4, 5, 6):
        assert not queue.dead()
        child.run()
        result.refresh()
        assert len(result.errors) == attempt
    assert [letter.failures for letter in queue.dead()] == [3]
