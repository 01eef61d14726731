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

LARGE = 10**100


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
        return f"e{path(type(value))}.{value.name or stable(value.value)};"
    if isinstance(value, type):
        return f"c{path(value)};"
    if getattr(value, "is_anonymous", None) is True:  # request.user of all who are not logged in
        return "anonymous;"
    if isinstance(value, Promise | PurePath):
        return stable(str(value))
    if is_dataclass(value):
        return f"o{path(type(value))}:" + _several("(", [getattr(value, one.name) for one in fields(value)])
    for kind in _EXACT:
        if issubclass(type(value), kind):
            return f"o{path(type(value))}:{_EXACT[kind](value)};"
    raise Unstable(f"a {path(type(value))}")


def _row(row: Model) -> str:
    if row.pk is None:
        raise Unstable(f"an unsaved {row._meta.label}")
    return f"m{row._meta.label_lower}:{stable(row.pk)};"


def _zone(value: datetime | time) -> str:
    """Return the zone, which says more than an offset: what is tomorrow there."""
    return str(getattr(value.tzinfo, "key", ""))


def _sized(letter: str, text: str) -> str:
    return f"{letter}{len(text)}:{text};"


def _several(letter: str, values: Any) -> str:
    return letter + "".join(map(stable, values)) + ")"


_EXACT: dict[type, Callable[[Any], str]] = {
    type(None): lambda value: "n",
    bool: lambda value: "y" if value else "z",
    # As a subclass may not say it, and hexadecimal where Python refuses to write so many digits.
    int: lambda value: f"{int.__repr__(value) if -LARGE < value < LARGE else hex(value)};",
    str: lambda value: _sized("s", str.__str__(value)),
    float: lambda value: f"f{float.__repr__(value)};",
    complex: lambda value: f"f{complex.__repr__(value)};",
    bytes: lambda value: _sized("b", value.hex()),
    Decimal: lambda value: f"d{value};",
    UUID: lambda value: f"u{value};",
    datetime: lambda value: f"t{value.isoformat()}{value.fold}{_zone(value)};",
    date: lambda value: f"a{value.isoformat()};",
    time: lambda value: f"i{value.isoformat()}{value.fold}{_zone(value)};",
    timedelta: lambda value: f"w{value.days},{value.seconds},{value.microseconds};",
    tuple: lambda value: _several("(", value),
    list: lambda value: _several("[", value),
    dict: lambda value: "{" + "".join(sorted(stable(k) + stable(v) for k, v in value.items())) + ")",
    set: lambda value: "<" + "".join(sorted(map(stable, value))) + ")",
    frozenset: lambda value: "|" + "".join(sorted(map(stable, value))) + ")",
}
