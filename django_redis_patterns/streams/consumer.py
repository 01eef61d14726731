"""What a handler is declared with."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from django_redis_patterns.core.operations import IO
from django_redis_patterns.core.worker.backoff import Backoff

from .ids import Moment, before, place

if TYPE_CHECKING:
    from .stream import Stream

_STARTS = {"new": "$", "beginning": "0-0"}
#: A batch may be as long as one script takes.
LONGEST_BATCH = 1000


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """The arguments of `Stream.consumer`."""

    stream: "Stream"
    group: str
    handler: Callable[..., Any]
    max_attempts: int
    backoff: Backoff
    dead_letter: bool
    concurrency: int
    start: Moment
    batch: int
    ordered_by: str | None

    def __post_init__(self) -> None:
        if not self.group or self.group == "waiting":
            raise ValueError("A group has a name, and not 'waiting'.")
        for name, most in (("max_attempts", 1_000_000), ("concurrency", 1000), ("batch", LONGEST_BATCH)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} of {self.name} is from 1 to {most}, not {getattr(self, name)!r}.")
        if self.ordered_by is not None and not isinstance(self.ordered_by, str):
            raise ValueError(f'ordered_by of {self.name} is the name of a key of its data, such as "order_id".')

    @property
    def name(self) -> str:
        """What the log calls it."""
        return f"{self.stream.name}/{self.group}"

    @property
    def path(self) -> str:
        """Where its handler is."""
        return f"{self.handler.__module__}.{self.handler.__qualname__}"

    @property
    def is_async(self) -> bool:
        """Whether its handler is an ``async def``."""
        return iscoroutinefunction(self.handler) or iscoroutinefunction(type(self.handler).__call__)

    async def begins_at(self, io: IO) -> str:
        """Return the id behind which a new group starts."""
        if isinstance(self.start, str) and self.start in _STARTS:
            return _STARTS[self.start]
        return before(await place(io, self.start))
