"""What is told of a task: by Django's signals, in their order, and in its log."""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal
from django.test import override_settings

from django_redis_patterns.exceptions import RedisUnavailable
from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.tasks import RedisBackend, run_tasks
from django_redis_patterns.queues.tasks.framework import (
    Task,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_enqueued,
    task_finished,
    task_started,
)
from tests.errands import tasks
from tests.queues.hands import Child

pytestmark = pytest.mark.permanent_keys("*:queues:*")
SIGNALS = {"enqueued": task_enqueued, "started": task_started, "finished": task_finished}
Told = list[tuple[Any, ...]]


@pytest.fixture
def told() -> Iterator[Told]:
    """Each signal with its sender, the status, how many attempts there were, and what is being handled."""
    found: Told = []

    def note(name: str) -> Callable[..., None]:
        def receive(sender: type, task_result: Any, **_: Any) -> None:
            error = sys.exc_info()[0]
            found.append((name, sender, str(task_result.status), task_result.attempts, error))

        return receive

    receivers = {name: note(name) for name in SIGNALS}
    for name, signal in SIGNALS.items():
        signal.connect(receivers[name])
    yield found
    for name, signal in SIGNALS.items():
        signal.disconnect(receivers[name])


@pytest.fixture
def failing() -> Iterator[Callable[[Signal], None]]:
    """Connects a receiver that raises LookupError."""
    connected: list[Signal] = []

    def receive(**_: Any) -> None:
        raise LookupError("a receiver's own")

    def connect(signal: Signal) -> None:
        signal.connect(receive)
        connected.append(signal)

    yield connect
    for signal in connected:
        signal.disconnect(receive)


@pytest.mark.parametrize("task", [tasks.add, tasks.aadd], ids=lambda task: task.name)
def test_a_task_is_enqueued_started_and_finished(task: Any, told: Told) -> None:
    task.enqueue(1)
    run_tasks()
    assert told == [
        ("enqueued", RedisBackend, "READY", 0, None),
        ("started", RedisBackend, "RUNNING", 1, None),
        ("finished", RedisBackend, "SUCCESSFUL", 1, None),
    ]


@pytest.mark.parametrize("name", ["fail", "afail"])
def test_a_task_is_started_each_time_and_finished_once(name: str, told: Told) -> None:
    """An attempt that another one follows has not finished. The last one's receivers see its error."""
    getattr(tasks, name).enqueue("no")
    for _ in range(3):
        Child("one").run()
    assert [(name, status, attempts) for name, _, status, attempts, _ in told] == [
        ("enqueued", "READY", 0),
        ("started", "RUNNING", 1),
        ("started", "RUNNING", 2),
        ("started", "RUNNING", 3),
        ("finished", "FAILED", 3),
    ]
    assert told[-1][-1] is ValueError


def test_logs_are_djangos_and_a_line_for_each_attempt_to_come(caplog: pytest.LogCaptureFixture) -> None:
    """``django.tasks`` (that of the backport is named after it), and ours about what Django has no word for."""
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "django"):
        id = tasks.fail.enqueue("no").id
        for _ in range(3):
            Child("one").run()
    start = f"Task id={id} path=tests.errands.tasks.fail "
    told = [(line.name, line.levelname, line.message) for line in caplog.records if line.message.startswith(start)]
    djangos, ours = Task.__module__.removesuffix(".base"), "django_redis_patterns.queues"
    assert [(name, level, text.removeprefix(start)) for name, level, text in told] == [
        (djangos, "DEBUG", "enqueued backend=default"),
        (djangos, "INFO", "state=RUNNING"),
        (ours, "WARNING", "failed: attempt 1, the next one is in 0.0 s."),
        (djangos, "INFO", "state=RUNNING"),
        (ours, "WARNING", "failed: attempt 2, the next one is in 0.0 s."),
        (djangos, "INFO", "state=RUNNING"),
        (djangos, "ERROR", "state=FAILED"),
    ]


@pytest.mark.parametrize("task", [tasks.add, tasks.aadd], ids=lambda task: task.name)
def test_a_receiver_that_fails_afterwards_does_not_undo_a_task(
    task: Any, failing: Callable[[Signal], None], caplog: pytest.LogCaptureFixture
) -> None:
    """What the task did is done, and recorded; the receiver's error is logged."""
    result = task.enqueue(1)
    failing(task_finished)
    run_tasks()
    result.refresh()
    assert (result.status, result.return_value) == (TaskResultStatus.SUCCESSFUL, 1)
    assert "LookupError: a receiver's own" in caplog.text


@pytest.mark.parametrize("task", [tasks.fail, tasks.afail], ids=lambda task: task.name)
def test_a_receiver_that_fails_after_a_failure_hides_nothing(task: Any, failing: Callable[[Signal], None]) -> None:
    result = task.using().enqueue("no")
    failing(task_finished)
    for _ in range(3):
        Child("one").run()
    result.refresh()
    assert [error.exception_class for error in result.errors] == [ValueError] * 3


@pytest.mark.parametrize("task", [tasks.add, tasks.aadd], ids=lambda task: task.name)
def test_a_receiver_that_fails_before_a_task_fails_its_attempt(
    task: Any, failing: Callable[[Signal], None], told: Told
) -> None:
    """The task is not called; it has failed like any other, with the receiver's error."""
    result = task.enqueue(1)
    failing(task_started)
    run_tasks()
    result.refresh()
    assert (result.status, result.errors[0].exception_class) == (TaskResultStatus.FAILED, LookupError)
    assert told[-1][:3] == ("finished", RedisBackend, "FAILED")


def test_receivers_that_are_coroutines_are_called_too() -> None:
    """By tasks and by callers of either kind."""
    seen: list[str] = []

    async def receive(task_result: Any, **_: Any) -> None:
        await asyncio.sleep(0)
        seen.append(f"{task_result.task.name} {task_result.status}")

    for signal in SIGNALS.values():
        signal.connect(receive)
    try:
        tasks.add.enqueue(1)
        asyncio.run(_enqueue())
        run_tasks()
    finally:
        for signal in SIGNALS.values():
            signal.disconnect(receive)
    assert seen[:2] == ["add READY", "aadd READY"]
    assert seen[2:] == ["add RUNNING", "add SUCCESSFUL", "aadd RUNNING", "aadd SUCCESSFUL"]


async def _enqueue() -> None:
    await tasks.aadd.aenqueue(1)


@pytest.mark.django_db(transaction=True)
def test_what_is_enqueued_on_commit_is_told_when_it_is_there(told: Told) -> None:
    """Not before the commit, not after a rollback, and `enqueue` does not wait for either."""
    with transaction.atomic():
        kept = tasks.add.enqueue_on_commit(1)
        with transaction.atomic():
            lost = tasks.add.enqueue_on_commit(2)
            tasks.add.enqueue(3)
            transaction.set_rollback(True)
        assert len(told) == 1
        with pytest.raises(TaskResultDoesNotExist):
            kept.refresh()
    assert [name for name, *_ in told] == ["enqueued", "enqueued"]
    kept.refresh()
    with pytest.raises(TaskResultDoesNotExist):
        lost.refresh()
    assert len(Queue("default").peek()) == 2


@pytest.mark.django_db(transaction=True)
def test_nothing_is_told_of_what_was_there_already(told: Told) -> None:
    tasks.greet.enqueue("ann")
    with transaction.atomic():
        tasks.greet.enqueue_on_commit("ann")
    assert len(told) == 1
    assert len(Queue("default").peek()) == 1


@pytest.mark.django_db(transaction=True)
@override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}})
def test_nothing_is_told_of_what_did_not_arrive(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    """With Redis away a commit stays a commit; the task is lost, with a line in the log, and nobody is told of it."""
    with transaction.atomic():
        tasks.add.enqueue_on_commit(1)
    with pytest.raises(RedisUnavailable):
        tasks.add.enqueue(1)
    assert told == []
    assert "did not reach Redis" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_fails_at_a_commit_does_not_undo_it(failing: Callable[[Signal], None]) -> None:
    failing(task_enqueued)
    with transaction.atomic():
        result = tasks.add.enqueue_on_commit(1)
    result.refresh()
    assert result.status == TaskResultStatus.READY
