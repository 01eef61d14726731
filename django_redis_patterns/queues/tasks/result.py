"""What became of a task."""

from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from django_redis_patterns.queues.durations import Duration
from django_redis_patterns.queues.durations import seconds as in_seconds

from .framework import TASK_REFRESH_ATTRS, ResultOf

#: Types of what is JSON as it is.
PLAIN = {str, int, float, bool, type(None)}

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(ResultOf[P, R]):  # type: ignore[misc]  # Django's is frozen, whatever its stubs say
    """Django's, which can be waited for, and taken back."""

    def __post_init__(self) -> None:
        """Keep arguments as JSON has them, as Django does, which takes longer to find out that they are."""
        if all(type(value) in PLAIN for value in (*self.args, *self.kwargs.values())):
            object.__setattr__(self, "args", list(self.args))
            object.__setattr__(self, "kwargs", dict(self.kwargs))
        else:
            ResultOf.__post_init__(self)

    def wait(self, seconds: Duration = 30.0) -> bool:
        """Wait until the task has finished, at most *seconds*; returns whether it has. The result is then as of now.

        Nobody polls: the end is told. Raises `TaskResultDoesNotExist` when it is not kept any more, or was cancelled.
        """
        longest = in_seconds(seconds, "seconds")
        if not self.is_finished:
            self._become(self._backend.wait(self.id, longest))
        return bool(self.is_finished)

    async def await_(self, seconds: Duration = 30.0) -> bool:
        """Do the same in a coroutine: `wait`, whose twin cannot be called ``await``."""
        longest = in_seconds(seconds, "seconds")
        if not self.is_finished:
            self._become(await self._backend.await_(self.id, longest))
        return bool(self.is_finished)

    def cancel(self) -> bool:
        """Take the task back, if it has not started, or waits for its next attempt; returns whether it was.

        There is no result of it any more then. What runs goes on.
        """
        return bool(self._backend.cancel(self.id))

    async def acancel(self) -> bool:
        """Do the same in a coroutine."""
        return bool(await self._backend.acancel(self.id))

    @property
    def _backend(self) -> Any:
        return self.task.get_backend()

    def _become(self, other: Any) -> None:
        for name in TASK_REFRESH_ATTRS:
            object.__setattr__(self, name, getattr(other, name))
