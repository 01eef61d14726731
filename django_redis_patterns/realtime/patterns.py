"""The patterns of topic names: ``"orders.{pk:int}"``, to and fro, and whether two of them can mean the same name."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote
from uuid import UUID

from django_redis_patterns.exceptions import InvalidConfiguration

_PLACE = re.compile(r"\{(?P<name>[a-z_][a-z0-9_]*)(:(?P<kind>[a-z]+))?\}\Z", re.ASCII)
_LITERAL = re.compile(r"[A-Za-z0-9_-]+\Z")


def _quoted(value: Any) -> str:
    return quote(str(value), safe="@+,=:").replace(".", "%2E").replace("~", "%7E")


class Converter(NamedTuple):
    """One kind of parameter: how a segment looks, and the way from it and to it."""

    shape: re.Pattern[str]
    parse: Callable[[str], Any]
    takes: tuple[type, ...]
    show: Callable[[Any], str] = str


CONVERTERS = {
    "str": Converter(re.compile(r"[A-Za-z0-9_@+,=:%-]+"), unquote, (object,), _quoted),
    "int": Converter(re.compile(r"0|-?[1-9][0-9]{0,18}"), int, (int,)),
    "slug": Converter(re.compile(r"[A-Za-z0-9_-]+"), str, (str,)),
    "uuid": Converter(re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), UUID, (UUID,)),
}
# Kinds beside themselves and "str" that share a text: 7 is an integer and a slug, and a UUID is a slug.
_SHARED = ({"int", "slug"}, {"uuid", "slug"})


class _Segment(NamedTuple):
    literal: str | None
    name: str = ""
    kind: str = "str"

    def parse(self, text: str, params: dict[str, Any]) -> bool:
        if self.literal is not None:
            return text == self.literal
        converter = CONVERTERS[self.kind]
        if not converter.shape.fullmatch(text):
            return False
        params[self.name] = value = converter.parse(text)
        return converter.show(value) == text  # one spelling per topic

    def show(self, params: Mapping[str, Any]) -> str:
        if self.literal is not None:
            return self.literal
        value, converter = params[self.name], CONVERTERS[self.kind]
        text = converter.show(value)
        is_value = isinstance(value, converter.takes) and not isinstance(value, bool | None)
        if not is_value or not converter.shape.fullmatch(text):
            raise TypeError(f"{self.name} of a topic must be {self.kind}, not {value!r}.")
        return text

    def meets(self, other: "_Segment") -> bool:
        """Return whether both can be the same text."""
        if self.literal is not None:
            return other.parse(self.literal, {})
        if other.literal is not None:
            return self.parse(other.literal, {})
        kinds = {self.kind, other.kind}
        return len(kinds) == 1 or "str" in kinds or kinds in _SHARED


class Pattern:
    """Segments between dots, each a word or one parameter. Raises `InvalidConfiguration` for anything else."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._segments = [self._segment(part) for part in text.split(".")]
        names = [segment.name for segment in self._segments if segment.literal is None]
        if len(set(names)) < len(names):
            raise InvalidConfiguration(f"Topic pattern {text!r} names a parameter twice.")
        if taken := {"self", "user"} & set(names):
            raise InvalidConfiguration(
                f"Topic pattern {text!r} has a parameter {min(taken)!r}, which can_subscribe has already."
            )
        self._names = set(names)

    def _segment(self, part: str) -> _Segment:
        if _LITERAL.match(part):
            return _Segment(part)
        place = _PLACE.match(part)
        kind = (place["kind"] or "str") if place else ""
        if not place or kind not in CONVERTERS:
            raise InvalidConfiguration(
                f"Topic pattern {self.text!r} has a segment {part!r}: write a word, or {{name:kind}} "
                f"with one of {', '.join(CONVERTERS)}."
            )
        return _Segment(None, place["name"], kind)

    def parse(self, name: str) -> dict[str, Any] | None:
        """Return the parameters in *name*, None if it does not match."""
        parts, params = name.split("."), dict[str, Any]()
        if len(parts) != len(self._segments):
            return None
        fits = all(segment.parse(part, params) for segment, part in zip(self._segments, parts, strict=True))
        return params if fits else None

    def name(self, params: Mapping[str, Any]) -> str:
        """Return the name with *params*. Raises TypeError if they do not fit."""
        if set(params) != self._names:
            expected = ", ".join(sorted(self._names)) or "no parameters"
            raise TypeError(f"Topic {self.text!r} takes {expected}; it was given {', '.join(params) or 'none'}.")
        return ".".join(segment.show(params) for segment in self._segments)

    def meets(self, other: "Pattern") -> bool:
        """Return whether some name matches both."""
        pairs = zip(self._segments, other._segments, strict=False)
        return len(self._segments) == len(other._segments) and all(one.meets(two) for one, two in pairs)
