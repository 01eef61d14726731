"""How values in settings are read: each error names the option and says what to write."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import Field, field, fields
from datetime import timedelta
from typing import Any, get_args, get_origin, get_type_hints

from django_redis_patterns.exceptions import InvalidConfiguration


def option(
    default: Any,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    secret: bool = False,
    one_of: tuple[str, ...] = (),
) -> Any:
    """Return a field with its default and its limits."""
    limits = {"at_least": at_least, "at_most": at_most, "one_of": one_of}
    return field(default=default, repr=not secret, metadata=limits)


def section(cls: type, given: Mapping[str, Any], where: str, extra: list[str] | None = None) -> dict[str, Any]:
    """Return the arguments for the dataclass *cls*, checked; *extra* are names that somebody else reads."""
    hints = get_type_hints(cls)
    options = {f.name.upper(): f for f in fields(cls)}
    for name in given:
        known(name, [*options, *(extra or [])], "REDIS_PATTERNS has no option", "options", where)
    return {options[n].name: _value(v, hints[options[n].name], options[n], where + n) for n, v in given.items()}


def known(name: Any, among: Iterable[str], complaint: str, kind: str, where: str = "") -> None:
    """Raise `InvalidConfiguration` for a *name* that is not *among* those that there are, and say which was meant."""
    names = sorted(set(among))
    if name in names:
        return
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else f" Known {kind}: {', '.join(names)}."
    raise InvalidConfiguration(f"{complaint} {where + str(name)!r}.{hint}")


def _value(value: Any, hint: Any, option: Field[Any], where: str) -> Any:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    allowed = _allowed(hint)
    if tuple in allowed and isinstance(value, list | tuple):
        value = tuple(value)
    elif float in allowed and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) not in allowed and not (isinstance(value, str) and str in allowed):
        names = " or ".join(sorted("None" if t is type(None) else t.__name__ for t in allowed))
        raise InvalidConfiguration(f"REDIS_PATTERNS {where} must be {names}, not {type(value).__name__}.")
    least = option.metadata.get("at_least")
    if least is not None and value is not None and not value >= least:
        raise InvalidConfiguration(f"REDIS_PATTERNS {where} must be at least {least:g}.")
    most = option.metadata.get("at_most")
    if most is not None and value is not None and not value <= most:
        raise InvalidConfiguration(f"REDIS_PATTERNS {where} must be at most {most:g}.")
    choices = option.metadata.get("one_of")
    if choices and value not in choices:
        raise InvalidConfiguration(f"REDIS_PATTERNS {where} must be {' or '.join(map(repr, choices))}, not {value!r}.")
    return value


def _allowed(hint: Any) -> set[type]:
    if isinstance(hint, type):
        return {hint}
    if get_origin(hint) is Mapping:
        return {dict}
    members = get_args(hint)
    return {tuple} if Ellipsis in members else {t for t in members if isinstance(t, type)}


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """Return *value*, which is a dict. Raises `InvalidConfiguration` naming *where*."""
    if not isinstance(value, Mapping):
        raise InvalidConfiguration(f"{where} in REDIS_PATTERNS must be a dict, not {type(value).__name__}.")
    return value
