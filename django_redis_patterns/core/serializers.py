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
from django.utils.crypto import constant_time_compare
from django.utils.encoding import force_bytes

from django_redis_patterns.exceptions import SerializationError, ValueTooLarge

LARGEST = 16 * 1024 * 1024
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
            return json.loads(_body(data, self.FORMAT).decode())  # of bytes it would guess the encoding
        except (ValueError, RecursionError) as error:
            raise SerializationError("Stored bytes are not JSON.") from error


class StrictJson(Json):
    """JSON that refuses at once what would come back changed: a tuple, a date, a key that is not text."""

    def dumps(self, value: Any) -> bytes:
        """Return *value* as JSON, or raise because JSON cannot hand it back as it is."""
        data = super().dumps(value)
        back = self.loads(data)
        if back != value or repr(back) != repr(value):
            raise SerializationError(f"{value!r:.80} would come back from JSON as {back!r:.80}.")
        return data


class SignedPickle:
    """Pickle behind an HMAC from ``SECRET_KEY``. What is not signed by this site for this *purpose* is never loaded."""

    FORMAT = b"p"

    def __init__(self, purpose: str) -> None:
        self._salt = f"django_redis_patterns.{purpose}"

    def dumps(self, value: Any) -> bytes:
        """Return *value* pickled and signed."""
        try:
            body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            raise SerializationError(f"{type(value).__name__} cannot be pickled: {error}") from error
        return _capped(self.FORMAT + self._mac(body) + body)

    def loads(self, data: bytes) -> Any:
        """Return the value; raises `SerializationError` for a foreign signature, before anything is unpickled."""
        signed = _body(data, self.FORMAT)
        mac, body = signed[:MAC_BYTES], signed[MAC_BYTES:]
        if not constant_time_compare(mac, self._mac(body)):
            raise SerializationError("Stored pickle is not signed by this site.")
        try:
            return pickle.loads(body)  # the signature was checked above
        except Exception as error:
            raise SerializationError(f"Stored pickle cannot be read: {type(error).__name__}.") from error

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(_key(self._salt, django_settings.SECRET_KEY), body, "sha256")


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
