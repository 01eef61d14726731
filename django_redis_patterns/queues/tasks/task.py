"""A task of ours: one of ``django.tasks``, with what that leaves open."""

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeAlias, TypeVar, cast, overload

from django.core.exceptions import SuspiciousOperation
from django.utils.module_loading import autodiscover_modules, import_string

from django_redis_patterns.queues.durations import Duration
from django_redis_patterns.queues.durations import seconds as in_seconds

from .framework import InvalidTask, Task, TaskContext, TaskOf, task_backends
from .result import Result
from .rules import complaint

P = ParamSpec("P")
R = TypeVar("R")

#: Is given the exception and the result so far (`attempts` counts them); returns seconds, or None to give up.
TaskBackoff: TypeAlias = Callable[[BaseException, Any], float | None]
#: How one is called in `enqueue_many`: by keywords, by places, or by both.
Call: TypeAlias = Mapping[str, Any] | Sequence[Any]

_tasks: dict[str, "RedisTask[Any, Any]"] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisTask(TaskOf[P, R]):
    """What `task` makes.

    ``max_attempts``: how often it may run, the first time included; None is the backend's, which is 1.
    ``backoff(exception, task_result)``: seconds until the next attempt, None to give up; None is `exponential(2)`.
    ``timeout``: for how long an attempt may run, in seconds or a timedelta. ``unique``: a template of its arguments;
    while a task with the same text waits (or runs, ``unique_until="finished"``), `enqueue` returns that one's result.
    """

    priority: int = 0  # Django 6.0 has no defaults for some of these
    backend: str = "default"
    queue_name: str = "default"
    run_after: datetime | None = None
    takes_context: bool = False
    max_attempts: int | None = None
    backoff: TaskBackoff | None = None
    timeout: Duration | None = None
    unique: str | None = None
    unique_until: str = "finished"

    def __post_init__(self) -> None:
        TaskOf.__post_init__(self)
        if text := complaint(self):
            raise InvalidTask(f"{self.module_path}: {text}")
        known = _tasks.get(self.module_path)
        if known is None or known.func is not self.func:  # another one of the same function was made by using()
            _tasks[self.module_path] = self

    def __reduce__(self) -> tuple[Any, ...]:
        """Without its functions, which are those of the task that the other side declares."""
        kept = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("func", "backoff")
        }
        return _unpickled, (self.module_path, kept)

    def __deepcopy__(self, memo: Any) -> "RedisTask[P, R]":
        """Nothing of it changes."""
        return self

    @property
    def seconds(self) -> float | None:
        """Its ``timeout``."""
        return None if self.timeout is None else in_seconds(self.timeout, "timeout")

    if TYPE_CHECKING:

        def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Result[P, R]: ...
        async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Result[P, R]: ...

    def enqueue_on_commit(self, *args: P.args, **kwargs: P.kwargs) -> Result[P, R]:
        """Enqueue when the transaction on the default database commits; at once outside of one.

        Returns the result that there will be. When Redis is away at the commit, it is lost, with a line in the log.
        """
        return cast("Result[P, R]", _ours(self).enqueue_on_commit(self, args, kwargs))

    def enqueue_many(self, calls: Iterable[Call]) -> list[Result[P, R]]:
        """Enqueue once for each of *calls*: a mapping of keyword arguments, or a sequence of positional ones.

        Returns their results, in that order. One trip, and a command for each 200, which is atomic.
        """
        every = [(self, *_arguments(call)) for call in calls]
        return cast("list[Result[P, R]]", _ours(self).enqueue_many(every))

    def mark(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        """Return the text of which there may be one."""
        if self.unique is None:
            return None
        given = (None, *args) if self.takes_context else args
        bound = inspect.signature(self.func).bind(*given, **kwargs)
        bound.apply_defaults()
        return f"{self.module_path}:{self.unique.format_map(bound.arguments)}"


def _arguments(call: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(call, Mapping):
        return (), dict(call)
    if not isinstance(call, Sequence) or isinstance(call, str | bytes):
        raise TypeError(f"enqueue_many() takes the arguments of each call, as (1, 2) or {{'a': 1}}, not {call!r}.")
    return tuple(call), {}


def _ours(task: RedisTask[Any, Any]) -> Any:
    backend = task.get_backend()
    if not hasattr(backend, "enqueue_on_commit"):
        where = f"BACKEND of TASKS[{task.backend!r}]"
        raise InvalidTask(f"{where} is no RedisBackend, nor another one of queues.tasks: it has only enqueue().")
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
        raise TypeError(
            "run_after cannot be defined statically with the @task decorator. "
            "Use .using(run_after=...) to set it dynamically."
        )

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
    found = _tasks.get(path) or _declared_elsewhere(path)
    if found is None:
        raise SuspiciousOperation(f"{path!r} is no task that this site declares in a module `tasks` of its apps.")
    return found


def _declared_elsewhere(path: str) -> RedisTask[Any, Any] | None:
    """Return one that was declared for another backend, and enqueued on ours by ``using(backend=...)``."""
    module, _, name = path.rpartition(".")
    found = vars(sys.modules.get(module, object)).get(name)
    if not isinstance(found, Task) or found.module_path != path:
        return None
    copy: RedisTask[Any, Any] = object.__new__(RedisTask)
    for field in fields(RedisTask):
        object.__setattr__(copy, field.name, getattr(found, field.name, field.default))
    return copy


def restored(task: RedisTask[Any, Any], **changes: Any) -> RedisTask[Any, Any]:
    """Return *task* as it was enqueued, whatever is valid by now."""
    if all(getattr(task, name) == value for name, value in changes.items()):
        return task
    kind: Any = type(task)
    copy: RedisTask[Any, Any] = object.__new__(kind)
    for name in _names(kind):
        object.__setattr__(copy, name, changes[name] if name in changes else getattr(task, name))
    return copy


@cache
def _names(kind: type) -> list[str]:
    return [field.name for field in fields(kind)]


def _unpickled(path: str, kept: Mapping[str, Any]) -> RedisTask[Any, Any]:
    """As Django does, import what a pickle says, which is trusted."""
    declared = import_string(path)
    if not isinstance(declared, RedisTask):
        raise ValueError(f"Expected {path!r} to point to a Task instance.")
    return restored(declared, **kept)
