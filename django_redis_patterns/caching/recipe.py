"""A function that is cached, and its calls: what they are named, and remembered."""

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django_redis_patterns.conf import settings
from django_redis_patterns.core.connections.clients import on_reset

from .arguments import PLAIN, Arguments
from .entry import Codec, Format
from .place import Place, Tag, Target
from .stable import path
from .tally import Tally, tally

#: Calls that a process remembers, and the bytes of the arguments of one.
MOST, LARGEST = 10_000, 500


@dataclass(frozen=True, eq=False, kw_only=True)
class Recipe:
    """A function and how its results are kept. Times are in milliseconds."""

    function: Callable[..., Any]
    arguments: Arguments
    ttl: int
    stale: int
    stale_if_error: int
    tags: tuple[str, ...]
    is_near: bool
    format: Format
    own_connection: str | None

    @cached_property
    def name(self) -> str:
        """What it is called in keys, statistics and messages."""
        return path(self.function)

    @cached_property
    def is_coroutine(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    @property
    def connection(self) -> str:
        return self.own_connection or settings().caching.connection

    @cached_property
    def tally(self) -> Tally:
        """What its calls are counted by."""
        return tally(self.name)

    @cached_property
    def grace(self) -> int:
        """For how long a value is kept after its time."""
        return max(self.stale, self.stale_if_error)

    @cached_property
    def life(self) -> int:
        """For how long Redis keeps a value."""
        return self.ttl + self.grace

    @cached_property
    def is_timed(self) -> bool:
        """Whether a reader must know how old a value is."""
        return bool(self.grace) or self.is_near

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> "Call":
        """Return the call of the function with these arguments. Raises TypeError for arguments it does not take.

        Those with plain arguments are remembered: naming a call takes longer than looking at a copy of its result.
        """
        kinds = tuple(map(type, args))  # 1, 1.0 and True are equal, and are not the same
        told: tuple[Any, ...] = (self, args, kinds)
        if kwargs:
            kinds += tuple(map(type, kwargs.values()))
            told = (self, args, kinds, *kwargs.items())
        if not (self.arguments.are_told and PLAIN.issuperset(kinds)):
            return self._called(args, kwargs)
        call = _calls.get(told)
        if call is None:
            call = self._called(args, kwargs)
            _remember(told, call)
        return call

    def _called(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> "Call":
        bound = self.arguments.bind(args, kwargs)
        name = f"{self.name}({self.arguments.name(args, kwargs, bound)})"
        connection = self.connection
        tags = tuple(Tag(connection, self.arguments.filled(tag, bound)) for tag in self.tags)
        return Call(self, args, dict(kwargs), Place(connection, name, self.is_near), tags)


@dataclass(eq=False)
class Call:
    """One call of a cached function: where its result is kept, and under which tags."""

    recipe: Recipe
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    place: Place
    tags: tuple[Tag, ...]

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """What it is invalidated by."""
        return (self.place, *self.tags)

    @cached_property
    def codec(self) -> Codec:
        return Codec(self.recipe.format, self.place.value)


_calls: dict[tuple[Any, ...], Call] = {}
on_reset(_calls.clear)


def _remember(told: tuple[Any, ...], call: Call) -> None:
    if sum(map(sys.getsizeof, (*call.args, *call.kwargs.values()))) <= LARGEST:
        if len(_calls) >= MOST:  # to make room one by one, threads would have to wait for each other
            _calls.clear()
        _calls[told] = call
