"""Bytes for Redis. Every stored value starts with one byte that names its format.

Undecodable bytes raise `SerializationError`; rooms turn that into a miss, an absent field or a dead letter.
"""

import json
import pickle
from functools import cache
from hashlib import blake2b, sha256
from hmac import compare_digest
from typing import Any, Protocol

from django.conf import settings as django_settings
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.encoding import force_bytes

from django_redis_patterns.exceptions import SerializationError, ValueTooLarge

LARGEST = 16 * 1024 * 1024
_SIMPLE = frozenset({str, int, float, bool, type(None)})
MAC_BYTES = 16


class Serializer(Protocol):
    """Turns a value into bytes and back."""

    def dumps(self, value: Any) -> bytes:
        """Return the bytes of *value*; raises `SerializationError`."""

    def loads(self, data: bytes) -> Any:
        """Return the value of *data*; raises `SerializationError`."""


class Json:
    """Compact JSON, with Django's encoder for dates, decimals and UUIDs (they come back as text)."""

    FORMAT = b"j"

    def dumps(self, value: Any) -> bytes:
        """Return *value* as JSON."""
        try:
            text = json.dumps(value, cls=DjangoJSONEncoder, separators=(",", ":"), ensure_ascii=False)
            return _capped(self.FORMAT + text.encode())
        except (TypeError, ValueError, RecursionError) as error:
            raise SerializationError(f"{type(value).__name__} cannot be stored as JSON: {error}") from error

    def loads(self, data: bytes) -> Any:
        """Return what `dumps` was given, as far as JSON can tell it."""
        try:
            return json.loads(_body(data, self.FORMAT).decode())  # of bytes it would guess the encoding
        except (ValueError, RecursionError) as error:
            raise SerializationError("Stored bytes are not JSON.") from error


class StrictJson(Json):
    """JSON that refuses at once what would come back changed: a tuple, a date, a key that is not text, a safe text."""

    def dumps(self, value: Any) -> bytes:
        """Return *value* as JSON, or raise because JSON cannot hand it back as it is."""
        data = super().dumps(value)  # which also refuses what holds itself
        if (kind := _changed(value)) is not None:
            raise SerializationError(f"It is or holds a {kind.__name__}, which JSON would hand back as something else.")
        return data


def _changed(value: Any) -> type | None:
    """Return the type of a part that JSON hands back as something else."""
    parts = [value]
    while parts:
        part = parts.pop()
        if type(part) is list:
            parts += part
        elif type(part) is dict:
            parts += part.values()
            if others := {type(key) for key in part} - {str}:
                return others.pop()
        elif type(part) not in _SIMPLE or part != part:
            return type(part)
    return None


class Seal:
    """Signs bytes for one *purpose* and one name, with a key from ``SECRET_KEY``: keyed BLAKE2 (RFC 7693).

    What a key of ``SECRET_KEY_FALLBACKS`` has signed is good too.
    """

    def __init__(self, purpose: str) -> None:
        self._purpose = f"django_redis_patterns.{purpose}"

    def sign(self, body: bytes, name: bytes = b"") -> bytes:
        """Return *body* behind its signature."""
        return self._mac(body, name, django_settings.SECRET_KEY) + body

    def opened(self, signed: bytes, name: bytes = b"") -> bytes:
        """Return the body of *signed*; raises `SerializationError` unless this site has signed it for that name."""
        mac, body = signed[:MAC_BYTES], signed[MAC_BYTES:]
        if compare_digest(mac, self._mac(body, name, django_settings.SECRET_KEY)):
            return body
        if any(compare_digest(mac, self._mac(body, name, old)) for old in django_settings.SECRET_KEY_FALLBACKS):
            return body
        raise SerializationError("Stored bytes are not signed by this site for their place.")

    def _mac(self, body: bytes, name: bytes, secret: str | bytes) -> bytes:
        made = _keyed(self._purpose, secret).copy()
        made.update(b"%d:%b" % (len(name), name))
        made.update(body)
        return made.digest()


@cache
def _keyed(purpose: str, secret: str | bytes) -> blake2b:
    key = sha256(force_bytes(purpose) + force_bytes(secret)).digest()
    return blake2b(key=key, digest_size=MAC_BYTES)


class SignedPickle:
    """Pickle behind a `Seal`. What is not signed by this site, for this *purpose* and its name, is never loaded."""

    FORMAT = b"p"

    def __init__(self, purpose: str) -> None:
        self._seal = Seal(purpose)

    def dumps(self, value: Any, name: bytes = b"") -> bytes:
        """Return *value* pickled and signed."""
        try:
            body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            raise SerializationError(f"{type(value).__name__} cannot be pickled: {error}") from error
        return _capped(self.FORMAT + self._seal.sign(body, name))

    def loads(self, data: bytes, name: bytes = b"") -> Any:
        """Return the value; raises `SerializationError` for a foreign signature, before anything is unpickled."""
        body = self._seal.opened(_body(data, self.FORMAT), name)
        try:
            return pickle.loads(body)  # the signature was checked above
        except Exception as error:
            raise SerializationError(f"Stored pickle cannot be read: {type(error).__name__}.") from error


def _body(data: bytes, expected: bytes) -> bytes:
    if data[:1] != expected:
        raise SerializationError("Stored bytes have another format.")
    return _capped(data)[1:]


def _capped(data: bytes) -> bytes:
    if len(data) > LARGEST:
        raise ValueTooLarge(len(data), LARGEST)
    return data
