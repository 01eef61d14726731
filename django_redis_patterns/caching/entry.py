"""What is stored for a call: a head that says which entry this is and under which tags, and the value."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, cast

from django_redis_patterns.conf import settings
from django_redis_patterns.core import trace
from django_redis_patterns.core.serializers import SignedPickle, StrictJson
from django_redis_patterns.exceptions import SerializationError, ValueTooLarge

Format = Literal["pickle", "json"]

#: Bytes that name an entry: a format, and a number drawn when it was made.
IDENT = 9
_SEAL = 16
_FORMAT = b"1"
_UNTAGGED = bytes(_SEAL)
_PICKLE, _JSON = SignedPickle("caching.entry"), StrictJson()


class Codec:
    """Turns the values of one call into entries and back. What it signs is good for this call's key alone."""

    __slots__ = ("_name", "format")

    def __init__(self, format: Format, key: str) -> None:
        self.format = format
        self._name = key.encode()

    def pack(self, value: Any, nonces: Sequence[bytes]) -> bytes:
        """Return an entry made under *nonces*. Raises `SerializationError`, of which `ValueTooLarge` is one."""
        head = _FORMAT + secrets.token_bytes(IDENT - 1) + _seal(nonces)
        data = head + (_JSON.dumps(value) if self.format == "json" else _PICKLE.dumps(value, self._name + head))
        if len(data) > (most := settings().caching.max_bytes):
            raise ValueTooLarge(len(data), most)
        return data

    def unpack(self, data: bytes, nonces: Sequence[bytes | None]) -> "Hit | None":
        """Return what *data* holds; None when one of its tags was invalidated, and when it cannot be read."""
        head, body = data[: IDENT + _SEAL], data[IDENT + _SEAL :]
        if None in nonces or head[IDENT:] != _seal(cast(Sequence[bytes], nonces)):
            return None
        try:
            return Hit(_JSON.loads(body) if self.format == "json" else _PICKLE.loads(body, self._name + head))
        except SerializationError:
            trace.count("caching.undecodable")
            return None


@dataclass(slots=True)
class Hit:
    """A value, which may be None."""

    value: Any


def _seal(nonces: Sequence[bytes]) -> bytes:
    return blake2b(b"\n".join(nonces), digest_size=_SEAL).digest() if nonces else _UNTAGGED
