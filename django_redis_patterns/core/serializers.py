"""Bytes for Redis. Every stored value starts with one byte that names its format.

Undecodable bytes raise `SerializationError`; rooms turn that into a miss, an absent field or a dead letter.
"""

import hmac
import json
import pickle
from functools import cache
from hashlib import sha256
from typing import Any, Protocol

from django.conf import settings as django_settings
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.encoding import force_bytes

from django_redis_patterns.exceptions import SerializationError, ValueTooLarge

LARGEST = 16 * 1024 * 1024
_SIMPLE = frozenset({str, int, float, bool, type(None)})
MAC_BYTES = 32


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
            return json.loads(_body(data, self.FORMAT))
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


class SignedPickle:
    """Pickle behind an HMAC from ``SECRET_KEY``. What is not signed by this site for this *purpose* is never loaded;
    what was signed with one of ``SECRET_KEY_FALLBACKS`` is.

    What is stored under one name may be signed with the name as its *context*, so that it is good nowhere else; all
    contexts of a purpose have one length.
    """

    FORMAT = b"p"

    def __init__(self, purpose: str) -> None:
        self._salt = f"django_redis_patterns.{purpose}"

    def dumps(self, value: Any, context: bytes = b"") -> bytes:
        """Return *value* pickled and signed."""
        try:
            body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            raise SerializationError(f"{type(value).__name__} cannot be pickled: {error}") from error
        return _capped(self.FORMAT + self._mac(context + body, django_settings.SECRET_KEY) + body)

    def loads(self, data: bytes, context: bytes = b"") -> Any:
        """Return the value; raises `SerializationError` for a foreign signature, before anything is unpickled."""
        signed = _body(data, self.FORMAT)
        mac, body = signed[:MAC_BYTES], signed[MAC_BYTES:]
        secrets = (django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS)
        if not any(hmac.compare_digest(mac, self._mac(context + body, secret)) for secret in secrets):
            raise SerializationError("Stored pickle is not signed by this site.")
        try:
            return pickle.loads(body)  # the signature was checked above
        except Exception as error:
            raise SerializationError(f"Stored pickle cannot be read: {type(error).__name__}.") from error

    def _mac(self, signed: bytes, secret: str | bytes) -> bytes:
        return hmac.digest(_key(self._salt, secret), signed, "sha256")


@cache
def _key(salt: str, secret: str | bytes) -> bytes:
    """Return the key that Django's `salted_hmac` would derive for each value anew."""
    return sha256(force_bytes(salt) + force_bytes(secret)).digest()


def _body(data: bytes, expected: bytes) -> bytes:
    if data[:1] != expected:
        raise SerializationError("Stored bytes have another format.")
    return _capped(data)[1:]


def _capped(data: bytes) -> bytes:
    if len(data) > LARGEST:
        raise ValueTooLarge(len(data), LARGEST)
    return data
