"""A text for every value that has a stable form: equal for equal values, in every process, and different otherwise."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from django.db.models import Model
from django.utils.functional import Promise


class Unstable(TypeError):
    """A value has no text that names it."""


def stable(value: Any) -> str:
    """Return the text of *value*, typed and with its length where it could hold anything.

    So 1, "1" and True differ, and no text can look like two. Raises `Unstable`.
    """
    write = _EXACT.get(type(value))
    if write is not None:
        return write(value)
    return _other(value)


def path(of: Any) -> str:
    """Return where a class or a function is defined."""
    return f"{of.__module__}.{of.__qualname__}"


def _other(value: Any) -> str:
    if hasattr(type(value), "__cache_key__") and not isinstance(value, type):
        own = value.__cache_key__
        return f"o{path(type(value))}:{stable(own() if callable(own) else own)};"
    if isinstance(value, Model):  # also behind a lazy object, such as request.user
        return _row(value)
    if isinstance(value, Enum):
        return f"e{path(type(value))}.{value.name};"
    if isinstance(value, type):
        return f"c{path(value)};"
    if isinstance(value, Promise | PurePath):
        return stable(str(value))
    if is_dataclass(value):
        return f"o{path(type(value))}:" + _several("(", [getattr(value, one.name) for one in fields(value)])
    for kind in _EXACT:
        if isinstance(value, kind):
            return f"o{path(type(value))}:{_EXACT[kind](value)};"
    raise Unstable(f"a {path(type(value))}")


def _row(row: Model) -> str:
    if row.pk is None:
        raise Unstable(f"an unsaved {row._meta.label}")
    return f"m{row._meta.label_lower}:{stable(row.pk)};"


def _sized(letter: str, text: str) -> str:
    return f"{letter}{len(text)}:{text};"


def _several(letter: str, values: Any) -> str:
    return letter + "".join(map(stable, values)) + ")"


_EXACT: dict[type, Callable[[Any], str]] = {
    type(None): lambda value: "n",
    bool: lambda value: "y" if value else "z",
    int: lambda value: f"{value};",
    str: lambda value: _sized("s", value),
    float: lambda value: f"f{value!r};",
    complex: lambda value: f"f{value!r};",
    bytes: lambda value: _sized("b", value.hex()),
    Decimal: lambda value: f"d{value};",
    UUID: lambda value: f"u{value};",
    datetime: lambda value: f"t{value.isoformat()}{value.fold};",
    date: lambda value: f"a{value.isoformat()};",
    time: lambda value: f"i{value.isoformat()}{value.fold};",
    timedelta: lambda value: f"w{value.days},{value.seconds},{value.microseconds};",
    tuple: lambda value: _several("(", value),
    list: lambda value: _several("[", value),
    dict: lambda value: "{" + "".join(sorted(stable(k) + stable(v) for k, v in value.items())) + ")",
    set: lambda value: "<" + "".join(sorted(map(stable, value))) + ")",
    frozenset: lambda value: "|" + "".join(sorted(map(stable, value))) + ")",
}
