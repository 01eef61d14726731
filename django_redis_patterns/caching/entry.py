"""What is stored for a call: a head that says which entry this is and under which tags, and the value."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

from django_redis_patterns.conf import settings
from django_redis_patterns.core import trace
from django_redis_patterns.core.serializers import SignedPickle, StrictJson
from django_redis_patterns.exceptions import SerializationError, ValueTooLarge

Format = Literal["pickle", "json"]

#: Bytes that name an entry: a format, and a number drawn when it was made.
IDENT = 9
_SEAL = 16
_FORMAT = b"1"


@dataclass(frozen=True)
class Codec:
    """Turns the values of one call into entries and back. What it signs is good for this call's key alone."""

    format: Format
    key: str

    def pack(self, value: Any, nonces: Sequence[bytes]) -> bytes:
        """Return an entry made under *nonces*. Raises `SerializationError`, of which `ValueTooLarge` is one."""
        head = _FORMAT + secrets.token_bytes(IDENT - 1) + _seal(nonces)
        data = head + self._serializer(head).dumps(value)
        if len(data) > (most := settings().caching.max_bytes):
            raise ValueTooLarge(len(data), most)
        return data

    def unpack(self, data: bytes, nonces: Sequence[bytes | None]) -> "Hit | None":
        """Return what *data* holds; None when one of its tags was invalidated, and when it cannot be read."""
        head, body = data[: IDENT + _SEAL], data[IDENT + _SEAL :]
        known = [nonce for nonce in nonces if nonce is not None]
        if len(known) < len(nonces) or head[IDENT:] != _seal(known):
            return None
        try:
            return Hit(self._serializer(head).loads(body))
        except SerializationError:
            trace.count("caching.undecodable")
            return None

    def _serializer(self, head: bytes) -> SignedPickle | StrictJson:
        return StrictJson() if self.format == "json" else SignedPickle(f"{self.key}:{head.hex()}")


@dataclass(frozen=True)
class Hit:
    """A value, which may be None."""

    value: Any


def _seal(nonces: Sequence[bytes]) -> bytes:
    return blake2b(b"\n".join(nonces), digest_size=_SEAL).digest()
