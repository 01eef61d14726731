"""Backends for tests and for development without Redis: stock ones, that know what our tasks know."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import get_random_string

from . import framework
from .framework import task_enqueued
from .stored import AnyResult, AnyTask, new_result
from .task import RedisTask

Calls = Iterable[tuple[AnyTask, Sequence[Any], Mapping[str, Any]]]


class _Local:
    """What both have beside the stock backend."""

    def enqueue_many(self: Any, calls: Calls) -> list[AnyResult]:
        """Enqueue several tasks."""
        return [self.enqueue(*call) for call in calls]

    def wait(self: Any, result_id: str, seconds: float) -> Any:
        """Return what became of a task; nothing more will."""
        return self.get_result(result_id)

    async def await_(self: Any, result_id: str, seconds: float) -> Any:
        """Do the same in a coroutine."""
        return self.get_result(result_id)

    def cancel(self: Any, result_id: str) -> bool:
        """Take a task back; it has run."""
        return False

    async def acancel(self: Any, result_id: str) -> bool:
        """Do the same in a coroutine."""
        return bool(self.cancel(result_id))


class ImmediateBackend(_Local, framework.ImmediateBackend):
    """Runs a task at once, in the caller's thread; `enqueue_on_commit` at the commit. It tries once, without limit."""

    task_class = RedisTask

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run the task; returns its result."""
        result = self._new(task, args, kwargs)
        self._execute(result)
        return result

    def enqueue_on_commit(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run it when the transaction commits; the result that is returned changes then."""
        result = self._new(task, args, kwargs)
        transaction.on_commit(lambda: self._execute(result), robust=True)
        return result

    def _execute(self: Any, result: AnyResult) -> None:
        self._execute_task(result)

    def _new(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> AnyResult:
        self.validate_task(task)
        return new_result(task, get_random_string(32), args, kwargs)


class DummyBackend(_Local, framework.DummyBackend):
    """Runs nothing, and notes what was enqueued: ``task_backends["default"].results``."""

    task_class = RedisTask

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Note the task; returns its result, which stays ready."""
        self.validate_task(task)
        return self._note(new_result(task, get_random_string(32), args, kwargs))

    def enqueue_on_commit(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Note it when the transaction commits."""
        self.validate_task(task)
        result = new_result(task, get_random_string(32), args, kwargs)
        transaction.on_commit(lambda: self._note(result), robust=True)
        return result

    def cancel(self, result_id: str) -> bool:
        """Forget the task."""
        before = len(self.results)
        self.results = [result for result in self.results if result.id != result_id]
        return len(self.results) < before

    def _note(self, result: AnyResult) -> AnyResult:
        object.__setattr__(result, "enqueued_at", timezone.now())
        self.results.append(result)
        task_enqueued.send(type(self), task_result=result)
        return deepcopy(result)  # it must not change with what is noted
