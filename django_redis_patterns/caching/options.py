"""What `cached` was told about a function, checked when the module is imported."""

import inspect
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from .arguments import Arguments, Key
from .entry import Format
from .naming import claim
from .recipe import Recipe

Duration = float | timedelta


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
