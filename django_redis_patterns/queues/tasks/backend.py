"""The backend for ``TASKS``."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from django.core import checks

from django_redis_patterns.conf import settings
from django_redis_patterns.core.commit import after_commit
from django_redis_patterns.core.operations import IO, batch, both
from django_redis_patterns.exceptions import InvalidConfiguration
from django_redis_patterns.queues.ids import new_id
from django_redis_patterns.queues.keys import LONGEST_NAME, Place
from django_redis_patterns.queues.look import Found, alook, await_end, look, wait_for_end
from django_redis_patterns.queues.queue import Queue, due_at
from django_redis_patterns.queues.records import Entry, record

from .framework import BaseTaskBackend, InvalidTask, TaskResultDoesNotExist, task_enqueued
from .moments import enqueued_at
from .options import Options, options
from .stored import AnyResult, AnyTask, body, found_result, new_result, place_of, result_id
from .task import RedisTask


class RedisBackend(BaseTaskBackend):
    """``TASKS = {"default": {"BACKEND": "django_redis_patterns.queues.tasks.RedisBackend", "QUEUES": ["default"]}}``.

    A queue of tasks is a `Queue`, each call one trip. At least once; what was recorded is recorded once.
    """

    task_class = RedisTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        self._given_queues: Any = params.get("QUEUES", [])
        self._queues: dict[str, Queue] = {}

    @cached_property
    def chosen(self) -> Options:
        """Its ``OPTIONS``."""
        return options(self.alias, self.options)

    @property
    def connection(self) -> str:
        """The alias of the connection that keeps its queues."""
        return self.chosen.connection or settings().queues.connection

    def queue(self, name: str) -> Queue:
        """Return the queue of this name, to look after it."""
        return self._queues.get(name) or self._queues.setdefault(name, Queue(name, connection=self.chosen.connection))

    def validate_task(self, task: Any) -> None:
        """Raise `InvalidTask` for a task that cannot run here."""
        super().validate_task(task)
        if not 0 < len(task.queue_name) <= LONGEST_NAME:
            raise InvalidTask(f"A queue's name has 1 to {LONGEST_NAME} characters, which {task.queue_name!r} has not.")
        if task.name == "<lambda>":
            raise InvalidTask("A lambda has no name by which a worker finds it: write def.")

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Enqueue at once, in one trip; returns the result. Of a unique task that is there already, return that one's.

        Raises `RedisUnavailable`; where that is ``ambiguous``, the task may be there.
        """
        result, entry = self._ready(self._valid(task), args, kwargs)
        (there,) = self.queue(task.queue_name).add(entry)
        if there != entry.id:
            return self._other(result, there)
        task_enqueued.send(type(self), task_result=result)
        return result

    async def aenqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Do the same in a coroutine. Only receivers of ``task_enqueued`` that are a ``def`` run in a thread."""
        result, entry = self._ready(self._valid(task), args, kwargs)
        (there,) = await self.queue(task.queue_name).aadd(entry)
        if there != entry.id:
            return await self._aother(result, there)
        await task_enqueued.asend(type(self), task_result=result)
        return result

    def enqueue_many(self, calls: Iterable[tuple[AnyTask, Sequence[Any], Mapping[str, Any]]]) -> list[AnyResult]:
        """Enqueue several tasks, each with its arguments: one trip, and a command for each 200 of a queue."""
        calls = list(calls)
        valid = {key: self._valid(task) for key, task in {id(task): task for task, *_ in calls}.items()}
        ready = [self._ready(valid[id(task)], args, kwargs) for task, args, kwargs in calls]
        by_queue: dict[str, list[Entry]] = {}
        for result, entry in ready:
            by_queue.setdefault(result.task.queue_name, []).append(entry)
        with batch() as together:
            told = {name: together(self.queue(name).add, *entries) for name, entries in by_queue.items()}
        others = {
            entry.id: there
            for name, entries in by_queue.items()
            for entry, there in zip(entries, told[name].value, strict=True)
            if there != entry.id
        }
        return [self._told(result, others.get(entry.id)) for result, entry in ready]

    def enqueue_on_commit(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Enqueue when the transaction commits; returns the result that there will be.

        There will be none of a unique task that is there already.
        """
        result, entry = self._ready(self._valid(task), args, kwargs)
        after_commit(self.enter, result, entry)
        return result

    async def _enter(self, io: IO, result: AnyResult, entry: Entry) -> None:
        """Enqueue what is ready; a receiver that fails changes nothing any more."""
        (there,) = await self.queue(result.task.queue_name)._add(io, entry)
        if there == entry.id:
            await io.call(task_enqueued.send_robust, type(self), task_result=result)

    enter = both(_enter)[0]

    def get_result(self, result_id: str) -> Any:
        """Return what became of a task, in one trip. Raises `TaskResultDoesNotExist`."""
        return self._result(look(*self._place_of(result_id)), result_id)

    async def aget_result(self, result_id: str) -> Any:
        """Do the same in a coroutine, without a thread."""
        return self._result(await alook(*self._place_of(result_id)), result_id)

    def wait(self, result_id: str, seconds: float) -> Any:
        """Return what became of a task when it has finished, or after so many *seconds*."""
        return self._result(wait_for_end(*self._place_of(result_id), seconds), result_id)

    async def await_(self, result_id: str, seconds: float) -> Any:
        """Do the same in a coroutine."""
        return self._result(await await_end(*self._place_of(result_id), seconds), result_id)

    def cancel(self, result_id: str) -> bool:
        """Remove a task that waits; returns whether it was. There is no result of it any more."""
        place, id = self._place_of(result_id)
        return bool(Queue(place.name, connection=place.connection).remove(id))

    async def acancel(self, result_id: str) -> bool:
        """Do the same in a coroutine."""
        place, id = self._place_of(result_id)
        return bool(await Queue(place.name, connection=place.connection).aremove(id))

    def check(self, **kwargs: Any) -> list[Any]:
        """Report options and queues that cannot be used."""
        return [checks.Error(text, id="redis_patterns.E701") for text in self._complaints()]

    def _complaints(self) -> Iterator[str]:
        where = f"TASKS[{self.alias!r}]"
        try:
            options(self.alias, self.options)
        except InvalidConfiguration as error:
            yield str(error)
        if isinstance(self._given_queues, str):
            yield f"QUEUES of {where} is a list of names, not a text: write [{self._given_queues!r}]."
        queues: set[Any] = self.queues
        for name in queues:
            if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
                yield f"QUEUES of {where}: a name has 1 to {LONGEST_NAME} characters, which {name!r} has not."

    def _valid(self, task: Any) -> Any:
        """Return *task* as one of this backend."""
        own = task if task.backend == self.alias else task.using(backend=self.alias)
        self.validate_task(own)
        return own

    def _ready(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[AnyResult, Entry]:
        id = new_id()
        result = new_result(task, result_id(id, task.queue_name), args, kwargs, enqueued_at=enqueued_at(id))
        mark = task.mark(result.args, result.kwargs) if isinstance(task, RedisTask) else None
        until_started = mark is not None and task.unique_until == "started"
        stored = record(body(task, result.args, result.kwargs), int(task.priority), mark, until_started)
        return result, Entry(id, stored, due_at(task.run_after) if task.run_after else "0")

    def _told(self, result: AnyResult, other: str | None) -> AnyResult:
        if other is not None:
            there: AnyResult = self._other(result, other)
            return there
        task_enqueued.send(type(self), task_result=result)
        return result

    def _other(self, result: AnyResult, there: str) -> Any:
        """Return the result of the task that is there instead; when it has just gone without one, enqueue after all."""
        try:
            return self.get_result(result_id(there, result.task.queue_name))
        except TaskResultDoesNotExist:
            return self.enqueue(result.task, result.args, result.kwargs)

    async def _aother(self, result: AnyResult, there: str) -> Any:
        try:
            return await self.aget_result(result_id(there, result.task.queue_name))
        except TaskResultDoesNotExist:
            return await self.aenqueue(result.task, result.args, result.kwargs)

    def _place_of(self, result_id: str) -> tuple[Place, str]:
        id, queue = place_of(result_id)
        if not id or len(queue) > LONGEST_NAME:
            raise TaskResultDoesNotExist(result_id)
        return Place(queue, self.connection), id

    def _result(self, found: Found, result_id: str) -> AnyResult:
        result = found_result(found, *place_of(result_id))
        if result is None:
            raise TaskResultDoesNotExist(result_id)
        return result
