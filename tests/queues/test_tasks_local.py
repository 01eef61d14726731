"""The backends for tests and development do what code asks of the one in Redis."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from django_redis_patterns.queues.tasks.framework import InvalidTask, TaskResultStatus, task_backends, task_enqueued
from tests.errands import tasks

OURS = "django_redis_patterns.queues.tasks"
READY, SUCCESSFUL = TaskResultStatus.READY, TaskResultStatus.SUCCESSFUL


@pytest.fixture
def immediate() -> Iterator[Any]:
    with override_settings(TASKS={"default": {"BACKEND": f"{OURS}.ImmediateBackend", "QUEUES": []}}):
        yield task_backends["default"]


@pytest.fixture
def dummy() -> Iterator[Any]:
    with override_settings(TASKS={"default": {"BACKEND": f"{OURS}.DummyBackend", "QUEUES": []}}):
        yield task_backends["default"]


def test_who_waits_for_a_task_that_ran_at_once_has_its_value(immediate: Any) -> None:
    result = tasks.add.enqueue(1, b=2)
    assert result.wait(5)
    assert result.return_value == 3
    assert not result.cancel()


@pytest.mark.usefixtures("immediate")
def test_the_same_in_a_coroutine() -> None:
    async def enqueue_and_wait() -> tuple[bool, bool]:
        result = await tasks.aadd.aenqueue(1)
        return await result.await_(5), await result.acancel()

    assert asyncio.run(enqueue_and_wait()) == (True, False)


def test_a_dummy_says_that_nothing_has_finished(dummy: Any) -> None:
    result = tasks.add.enqueue(1)
    assert not result.wait(0)
    assert result.status == READY


def test_what_a_dummy_forgets_is_cancelled(dummy: Any) -> None:
    result, other = tasks.add.enqueue_many([{"a": 1}, (2,)])
    assert [one.args or one.kwargs for one in dummy.results] == [{"a": 1}, [2]]
    assert result.cancel()
    assert not result.cancel()
    assert dummy.results == [other]


@pytest.mark.django_db(transaction=True)
def test_a_dummy_notes_at_the_commit(dummy: Any) -> None:
    told: list[str] = []

    def receive(task_result: Any, **_: Any) -> None:
        told.append(task_result.id)

    task_enqueued.connect(receive)
    with transaction.atomic():
        kept = tasks.add.enqueue_on_commit(1)
        with transaction.atomic():
            tasks.add.enqueue_on_commit(2)
            transaction.set_rollback(True)
        assert dummy.results == []
    task_enqueued.disconnect(receive)
    (noted,) = dummy.results
    assert noted.id == kept.id
    assert noted.enqueued_at is not None
    assert told == [kept.id]


@pytest.mark.django_db(transaction=True)
def test_the_immediate_one_runs_at_the_commit(immediate: Any) -> None:
    with transaction.atomic():
        result = tasks.add.enqueue_on_commit(1)
        assert result.status == READY
    assert (result.status, result.return_value) == (SUCCESSFUL, 1)


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_fails_at_a_commit_does_not_undo_it(immediate: Any) -> None:
    """As with Redis: what is done after the commit is no reason to tell its caller that it failed."""

    def receive(**_: Any) -> None:
        raise LookupError("a receiver's own")

    task_enqueued.connect(receive)
    try:
        with transaction.atomic():
            tasks.add.enqueue_on_commit(1)
    finally:
        task_enqueued.disconnect(receive)


@pytest.mark.parametrize("name", ["ImmediateBackend", "DummyBackend"])
def test_what_is_wrong_is_said_at_once(name: str) -> None:
    """Not only at the commit."""
    with override_settings(TASKS={"default": {"BACKEND": f"{OURS}.{name}", "QUEUES": ["mail"]}}):
        with pytest.raises(InvalidTask):
            tasks.add.enqueue(1)
        with pytest.raises(InvalidTask):
            tasks.add.enqueue_on_commit(1)


def test_what_only_ours_can_do_a_foreign_backend_refuses_by_name() -> None:
    foreign = tasks.add.using(backend="stock")
    assert foreign.enqueue(1).return_value == 1
    with pytest.raises(InvalidTask, match=r"BACKEND of TASKS\['stock'\] is no RedisBackend"):
        foreign.enqueue_on_commit(1)
    with pytest.raises(InvalidTask, match=r"BACKEND of TASKS\['stock'\] is no RedisBackend"):
        foreign.enqueue_many([(1,)])
