"""The backend that keeps tasks in Redis, where Django's tests expect one that notes them: ``results`` and `clear`."""

from collections.abc import Sequence
from typing import Any

from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.tasks import RedisBackend


def empty(*queues: str) -> None:
    """Take everything out of *queues*."""
    for queue in map(Queue, queues):
        queue.purge()
        while letters := queue.dead(100):
            queue.discard(*(letter.id for letter in letters))


class Noted(RedisBackend):
    """Knows the ids of what was enqueued, and looks each of them up."""

    _ids: list[str]

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        self._ids = []

    @property
    def results(self) -> list[Any]:
        return [self.get_result(id) for id in self._ids]

    def clear(self) -> None:
        empty(*(self.queues or {"default"}))
        self._ids.clear()

    def enqueue(self, *args: Any) -> Any:
        return self._note(super().enqueue(*args))

    async def aenqueue(self, *args: Any) -> Any:
        return self._note(await super().aenqueue(*args))

    def enqueue_many(self, calls: Any) -> Sequence[Any]:
        return [self._note(result) for result in super().enqueue_many(calls)]

    def _note(self, result: Any) -> Any:
        self._ids.append(result.id)
        return result
