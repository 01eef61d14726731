"""A task of ours: one of ``django.tasks``, with what that leaves open."""

import inspect
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeAlias, TypeVar, cast, overload

from django.core.exceptions import SuspiciousOperation
from django.utils.module_loading import autodiscover_modules

from .framework import InvalidTask, TaskContext, TaskOf, task_backends
from .result import Result

P = ParamSpec("P")
R = TypeVar("R")

#: Is given the exception and the result so far (`attempts` counts them); returns seconds, or None to give up.
TaskBackoff: TypeAlias = Callable[[BaseException, Any], float | None]
#: How one is called in `enqueue_many`: by keywords, by places, or by both.
Call: TypeAlias = Mapping[str, Any] | Sequence[Any]
UNTIL = ("started", "finished")

_tasks: dict[str, "RedisTask[Any, Any]"] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisTask(TaskOf[P, R]):
    """What `task` makes.

    ``max_attempts``: None is the backend's. ``backoff(exception, task_result)``: seconds until the next attempt.
    ``timeout``: seconds that it may run. ``unique``: a template of its arguments; while a task with the same text waits
    (or runs, ``unique_until="finished"``), `enqueue` returns the result of that one.
    """

    max_attempts: int | None = None
    backoff: TaskBackoff | None = None
    timeout: float | None = None
    unique: str | None = None
    unique_until: str = "finished"

    def __post_init__(self) -> None:
        TaskOf.__post_init__(self)
        if complaint := _complaint(self):
            raise InvalidTask(f"{self.module_path}: {complaint}")
        known = _tasks.get(self.module_path)
        if known is None or known.func is not self.func:  # another one of the same function was made by using()
            _tasks[self.module_path] = self

    if TYPE_CHECKING:

        def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Result[P, R]: ...
        async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Result[P, R]: ...

    def enqueue_on_commit(self, *args: P.args, **kwargs: P.kwargs) -> Result[P, R]:
        """Enqueue when the transaction on the default database commits; at once outside of one.

        Returns the result that there will be. When Redis is away at the commit, it is lost, with a line in the log.
        """
        return cast("Result[P, R]", _ours(self).enqueue_on_commit(self, args, kwargs))

    def enqueue_many(self, calls: Iterable[Call]) -> list[Result[P, R]]:
        """Enqueue once for each of *calls*: a mapping of keyword arguments, or a sequence of positional ones."""
        every = [((), dict(call)) if isinstance(call, Mapping) else (tuple(call), {}) for call in calls]
        return cast("list[Result[P, R]]", _ours(self).enqueue_many([(self, *call) for call in every]))

    def mark(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        """Return the text of which there may be one."""
        if self.unique is None:
            return None
        given = (None, *args) if self.takes_context else args
        bound = inspect.signature(self.func).bind(*given, **kwargs)
        bound.apply_defaults()
        return f"{self.module_path}:{self.unique.format_map(bound.arguments)}"


def _complaint(task: RedisTask[Any, Any]) -> str:
    if task.max_attempts is not None and task.max_attempts < 1:
        return f"max_attempts is 1 or more, not {task.max_attempts}."
    if task.timeout is not None and not task.timeout > 0:
        return f"timeout is more than 0 seconds, not {task.timeout}."
    if task.unique_until not in UNTIL:
        return f"unique_until is {' or '.join(map(repr, UNTIL))}, not {task.unique_until!r}."
    names = {
        name.partition(".")[0].partition("[")[0] for _, name, *_ in string.Formatter().parse(task.unique or "") if name
    }
    if unknown := names - set(inspect.signature(task.func).parameters):
        return f"unique={task.unique!r} names no argument of it: {', '.join(sorted(unknown))}."
    return ""


def _ours(task: RedisTask[Any, Any]) -> Any:
    backend = task.get_backend()
    if not hasattr(backend, "enqueue_on_commit"):
        raise InvalidTask(f"{type(backend).__name__} cannot do that; the backends of queues.tasks can.")
    return backend


@overload
def task(
    function: Callable[P, R],
    *,
    priority: int = ...,
    queue_name: str = ...,
    backend: str = ...,
    takes_context: Literal[False] = False,
    **options: Any,
) -> RedisTask[P, R]: ...
@overload
def task(
    *,
    priority: int = ...,
    queue_name: str = ...,
    backend: str = ...,
    takes_context: Literal[False] = False,
    **options: Any,
) -> Callable[[Callable[P, R]], RedisTask[P, R]]: ...
@overload
def task(
    *,
    priority: int = ...,
    queue_name: str = ...,
    backend: str = ...,
    takes_context: Literal[True],
    **options: Any,
) -> Callable[[Callable[Concatenate["TaskContext[Any, Any]", P], R]], RedisTask[P, R]]: ...
def task(function: Any = None, *, backend: str = "default", **options: Any) -> Any:
    """Declare a task, as Django's decorator does, with the options of `RedisTask` as well.

        @task(queue_name="mail", max_attempts=5, backoff=exponential(2), timeout=60, unique="{user_id}")
        def welcome(user_id): ...

    It may be enqueued on any backend; a foreign one ignores what is ours.
    """
    if "run_after" in options:
        raise TypeError("run_after is not for all calls: write task.using(run_after=...).enqueue(...).")

    def wrap(function: Callable[..., Any]) -> RedisTask[Any, Any]:
        own = task_backends[backend].task_class
        cls = own if issubclass(own, RedisTask) else RedisTask
        return cls(func=function, backend=backend, **options)

    return wrap(function) if function else wrap


def find(path: str) -> RedisTask[Any, Any]:
    """Return the task *path*, which this site has declared. Nothing is imported because of what Redis says.

    Raises `SuspiciousOperation` for any other.
    """
    if path not in _tasks:
        autodiscover_modules("tasks")
    if path not in _tasks:
        raise SuspiciousOperation(f"{path!r} is no task that this site declares in a module `tasks` of its apps.")
    return _tasks[path]


def restored(task: RedisTask[Any, Any], **changes: Any) -> RedisTask[Any, Any]:
    """Return *task* as it was enqueued, whatever is valid by now."""
    copy = object.__new__(type(task))
    for field in fields(task):
        object.__setattr__(copy, field.name, changes.get(field.name, getattr(task, field.name)))
    return copy
