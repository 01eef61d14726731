"""What `cached` was told about a function, checked when the module is imported."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from django_redis_patterns.conf import settings

from .arguments import Arguments, Key
from .entry import Codec, Format
from .place import Place, Tag
from .stable import path

Duration = float | timedelta


@dataclass(frozen=True, kw_only=True)
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

    @property
    def grace(self) -> int:
        """For how long a value is kept after its time."""
        return max(self.stale, self.stale_if_error)

    @property
    def life(self) -> int:
        """For how long Redis keeps a value."""
        return self.ttl + self.grace

    @property
    def is_timed(self) -> bool:
        """Whether a reader must know how old a value is."""
        return bool(self.grace) or self.is_near

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> "Call":
        """Return the call of the function with these arguments. Raises TypeError for arguments it does not take."""
        bound = self.arguments.bind(args, kwargs)
        name = f"{self.name}({self.arguments.name(args, kwargs, bound)})"
        connection = self.connection
        tags = tuple(Tag(connection, self.arguments.filled(tag, bound)) for tag in self.tags)
        return Call(self, args, dict(kwargs), Place(connection, name, self.is_near), tags)


@dataclass(frozen=True)
class Call:
    """One call of a cached function: where its result is kept, and under which tags."""

    recipe: Recipe
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    place: Place
    tags: tuple[Tag, ...]

    @cached_property
    def codec(self) -> Codec:
        return Codec(self.recipe.format, self.place.value)


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
    is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if not inspect.isroutine(function) or is_generator:
        raise TypeError(f"@cached decorates functions, methods and coroutine functions, not {function!r}.")
    if serializer not in ("pickle", "json"):
        raise ValueError(f'serializer is "pickle" or "json", not {serializer!r}.')
    arguments = Arguments(function, key, ignore)
    templates = tuple(dict.fromkeys((tags,) if isinstance(tags, str) else tags))
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


def milliseconds(value: object, what: str, *, least: int = 0) -> int:
    """Return a duration in milliseconds. Raises TypeError and ValueError that name *what*."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what} is a number of seconds or a timedelta, not {value!r}.")
    if not least <= value * 1000 < 2**53:
        raise ValueError(f"{what} is at least {least / 1000:g} seconds, not {value!r}.")
    return round(value * 1000)
