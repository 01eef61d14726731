"""What `cached` was told about a function, checked when the module is imported."""

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from django_redis_patterns.conf import settings
from django_redis_patterns.core.connections.clients import on_reset

from .arguments import PLAIN, Arguments, Key
from .entry import Codec, Format
from .naming import claim
from .place import Place, Tag, Target
from .stable import path
from .tally import Tally, tally

Duration = float | timedelta

#: Calls that a process remembers, and the bytes of the largest argument of one.
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
    if all(sys.getsizeof(value) <= LARGEST for value in (*call.args, *call.kwargs.values())):
        if len(_calls) >= MOST:  # to make room one by one, threads would have to wait for each other
            _calls.clear()
        _calls[told] = call


def recipe(
    function: Callable[..., Any],
    *,
    ttl: Duration,
    stale: Duration,
    stale_if_error: Duration,
    tags: Iterable[str],
    key: Key | None,
    ignore: Iterable[str],
    near: bool,
    serializer: Format,
    connection: str | None,
) -> Recipe:
    """Return the recipe. Raises TypeError and ValueError that say what to write."""
    _check(function)
    if not isinstance(key, str | None) and not callable(key):
        raise TypeError(f"key is a text with {{}} or a function of the arguments, not {key!r}.")
    if not isinstance(near, bool):
        raise TypeError(f"near is True or False, not {near!r}.")
    if not isinstance(connection, str | None):
        raise TypeError(f"connection is an alias of REDIS_PATTERNS, not {connection!r}.")
    if serializer not in ("pickle", "json"):
        raise ValueError(f'serializer is "pickle" or "json", not {serializer!r}.')
    arguments = Arguments(function, key, ignore)
    templates = tuple(dict.fromkeys(tags))
    if templates and connection is not None:
        raise TypeError(
            "Tags, and models of depends_on, are invalidated on the CONNECTION of REDIS_PATTERNS CACHING alone: "
            "leave out connection=."
        )
    for template in templates:
        arguments.check(template, "tags")
    return Recipe(
        function=function,
        arguments=arguments,
        ttl=milliseconds(ttl, "ttl", least=1),
        stale=milliseconds(stale, "stale"),
        stale_if_error=milliseconds(stale_if_error, "stale_if_error"),
        tags=templates,
        is_near=near,
        format=serializer,
        own_connection=connection,
    )


def _check(function: Any) -> None:
    if isinstance(function, classmethod | staticmethod):
        raise TypeError("@cached stands next to the function: write @classmethod or @staticmethod above it.")
    if isinstance(getattr(function, "recipe", None), Recipe):
        raise TypeError(f"{function!r} is cached already.")
    is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if not inspect.isroutine(function) or is_generator:
        raise TypeError(f"@cached decorates functions, methods and coroutine functions, not {function!r}.")
    claim(function)


def texts(values: Any, option: str) -> tuple[str, ...]:
    """Return one text or several as several. Raises TypeError that names *option*."""
    several = (values,) if isinstance(values, str) else values
    if not isinstance(several, Iterable) or not all(isinstance(value, str) for value in several):
        raise TypeError(f"{option} are texts, not {values!r}.")
    return tuple(several)


def milliseconds(value: object, what: str, *, least: int = 0) -> int:
    """Return a duration in milliseconds. Raises TypeError and ValueError that name *what*."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what} is a number of seconds or a timedelta, not {value!r}.")
    if not least <= value * 1000 < 2**53:
        raise ValueError(f"{what} is at least {least / 1000:g} seconds, not {value!r}.")
    return round(value * 1000)
