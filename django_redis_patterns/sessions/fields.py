"""A session's data as it lies in Redis: one hash field per session key, decoded when read, written when changed."""

import json
import re
from collections.abc import Iterator, MutableMapping
from typing import Any, Protocol

from django_redis_patterns.core import trace

DATA = b"."  # prefix of the fields that hold session keys; all others are the room's own
_AS_JSON, _AS_HEX = b"j", b"x"
_HEX = re.compile(r"(?:[0-9a-f]{2}){16,64}\Z")
_ABSENT = object()
_IMMUTABLE = (str, int, float, bool, type(None))

Changes = tuple[dict[bytes, bytes], list[bytes]]


class Serializer(Protocol):
    """Django's ``SESSION_SERIALIZER``."""

    def dumps(self, obj: Any) -> bytes: ...
    def loads(self, data: bytes) -> Any: ...


class Fields(MutableMapping[str, Any]):
    """The mapping behind a session. ``stored`` is what HGETALL gave for its data fields.

    Changes are found by encoding again what was decoded, so a nested change is noticed and an equal value is not
    written. A field that cannot be decoded is absent, is counted, and stays in Redis untouched.
    """

    def __init__(self, serializer: Serializer, stored: dict[bytes, bytes] | None = None) -> None:
        self._serializer = serializer
        self._stored = stored or {}
        self._live: dict[str, Any] = {}
        self._constant: set[str] = set()  # decoded scalars: they change by assignment only
        self._removed: set[str] = set()
        self._noted: Changes = ({}, [])

    def __getitem__(self, key: str) -> Any:
        value = self._read(_text(key))
        if value is _ABSENT:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self._live[_text(key)] = value
        self._constant.discard(_text(key))
        self._removed.discard(_text(key))

    def __delitem__(self, key: str) -> None:
        self[key]
        del self._live[_text(key)]
        self._removed.add(_text(key))

    def __contains__(self, key: object) -> bool:
        return self._read(_text(key)) is not _ABSENT

    def __iter__(self) -> Iterator[str]:
        names = dict.fromkeys([*(_name(field) for field in self._stored), *self._live])
        return iter([name for name in names if self._read(name) is not _ABSENT])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return f"<session data, {len(self._stored)} stored>"  # values stay out of logs

    def changes(self) -> Changes:
        """Return the fields to write, encoded, and the fields to remove."""
        written = {}
        for name, value in self._live.items():
            if name in self._constant:
                continue
            field, encoded = _field(name), encode(value, self._serializer)
            if self._stored.get(field) != encoded:
                written[field] = encoded
        return written, [field for field in map(_field, self._removed) if field in self._stored]

    def changed(self) -> bool:
        """Return whether there are changes that were not yet noted."""
        return self.changes() != self._noted

    def note(self) -> None:
        """Take the present changes as known: only further ones count as `changed`."""
        self._noted = self.changes()

    def saved(self, written: dict[bytes, bytes], removed: list[bytes]) -> None:
        """Take note that Redis now holds these changes."""
        self._stored = {k: v for k, v in (self._stored | written).items() if k not in removed}
        self._removed.clear()
        self._noted = ({}, [])

    def _read(self, name: str) -> Any:
        if name in self._live:
            return self._live[name]
        encoded = self._stored.get(_field(name))
        if encoded is None or name in self._removed:
            return _ABSENT
        try:
            value = decode(encoded, self._serializer)
        except Exception:
            trace.count("sessions.undecodable")
            return _ABSENT
        self._live[name] = value
        if isinstance(value, _IMMUTABLE):
            self._constant.add(name)
        return value


def encode(value: Any, serializer: Serializer) -> bytes:
    """Return *value* for Redis: hex digests as half as many raw bytes (they keep the hash small), else serialized."""
    if isinstance(value, str) and _HEX.match(value):
        return _AS_HEX + bytes.fromhex(value)
    return _AS_JSON + serializer.dumps(value)


def decode(data: bytes, serializer: Serializer) -> Any:
    """Return the value of stored bytes; raises whatever the serializer raises."""
    if data[:1] == _AS_HEX:
        return data[1:].hex()
    if data[:1] != _AS_JSON:
        raise ValueError("unknown format")
    return serializer.loads(data[1:])


def _text(key: Any) -> str:
    """Spell *key* as JSON would: Django's own stores turn keys into text the same way."""
    if isinstance(key, str):
        return key
    return json.dumps(key) if isinstance(key, bool | int | float | None) else str(key)


def _field(name: str) -> bytes:
    return DATA + name.encode("utf-8", "surrogatepass")


def _name(field: bytes) -> str:
    return field[1:].decode("utf-8", "surrogatepass")
