"""django-redis' client over our connections: how an entry is spelt and written."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any

from django_redis.client import DefaultClient
from django_redis.exceptions import CompressorError
from django_redis.serializers.pickle import PickleSerializer
from django_redis.util import CacheKey
from redis import Redis

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import client as connected
from django_redis_patterns.core.keys import escaped
from django_redis_patterns.core.serializers import Seal
from django_redis_patterns.exceptions import SerializationError

from .lease import LEASE
from .place import alias_of, storing

#: What stands for "nothing is there": None is a value.
MISS: Any = object()

_SIGNED = b"p"
#: Seconds for which one cache says but once that it meets what it cannot read; each time is counted.
QUIET = 60

#: What the cache does with entries, also when the client is asked.
OPERATIONS = (
    *("add", "clear", "decr", "delete", "delete_many", "delete_pattern", "expire", "expire_at", "get", "get_many"),
    *("has_key", "incr", "incr_version", "keys", "persist", "pexpire", "pexpire_at", "pttl", "set", "set_many"),
    *("touch", "ttl"),
)

logger = logging.getLogger("django_redis_patterns.caching")


class Client(DefaultClient):  # type: ignore[misc]  # django-redis is not typed
    """Give a subclass of this one as ``CLIENT_CLASS``, with an `encode` and a `decode`, to write in another way."""

    def __init__(self, server: Any, params: dict[str, Any], backend: Any) -> None:
        options = params.get("OPTIONS", {})
        self.alias = alias_of(server, options)
        super().__init__([self.alias], {**params, "OPTIONS": storing(options)}, backend)
        self._seal = Seal("caching.backend") if isinstance(self._serializer, PickleSerializer) else None
        self._has_own_form = type(self).encode is not Client.encode or type(self).decode is not Client.decode
        self._quiet_until = 0.0
        if not params.get("REVERSE_KEY_FUNCTION"):
            self.reverse_key = self._reversed

    def get_client(self, write: bool = True, tried: Any = None) -> Redis:
        """Return the plain redis-py client, of the primary always."""
        return connected(self.alias)  # type: ignore[return-value]  # a cluster's has the same commands

    def get_client_with_index(self, write: bool = True, tried: Any = None) -> tuple[Redis, int]:
        """The same, with its place among the servers."""
        return self.get_client(), 0

    def disconnect(self, index: int = 0, client: Any = None) -> None:
        """Nothing: the connections are the whole process'."""

    def make_pattern(self, pattern: str, version: int | None = None, prefix: str | None = None) -> str:
        """Return the pattern of whole keys; nothing but *pattern* itself is special in it."""
        if isinstance(pattern, CacheKey):
            return str(pattern)
        prefix = self._backend.key_prefix if prefix is None else prefix
        version = self._backend.version if version is None else version
        return str(self._backend.key_func(pattern, escaped(prefix), escaped(str(version))))

    def encode(self, value: Any, *, allow_int: bool = True) -> bytes | int:
        """Return what is stored for *value*, a member of a set or the like."""
        return self._written(value, "", allow_int)

    def decode(self, value: bytes) -> Any:
        """Return the value of a member. What is pickled is loaded only if this site has signed it."""
        return self._understood(value, "")

    def pack(self, entry: str, value: Any) -> bytes | int:
        """Return what is stored for *value* under the key *entry*; a pickle is signed for that key alone."""
        return self.encode(value) if self._has_own_form else self._written(value, entry)

    def read(self, entry: str, stored: bytes | None) -> Any:
        """Return the value of what is *stored*, MISS for nothing, a lease, or what cannot be trusted or read."""
        if stored is None or stored.startswith(LEASE):
            return MISS
        try:
            return self.decode(stored) if self._has_own_form else self._understood(stored, entry)
        except Exception as error:  # a serializer or a compressor may raise anything
            trace.count("caching.undecodable")
            self._warn(error)
            return MISS

    def _written(self, value: Any, name: str, allow_int: bool = True) -> bytes | int:
        if allow_int and isinstance(value, int) and not isinstance(value, bool | Enum):
            return value
        body: bytes = self._compressor.compress(self._serializer.dumps(value))
        return body if self._seal is None else _SIGNED + self._seal.sign(body, name.encode())

    def _understood(self, stored: bytes, name: str) -> Any:
        if stored[:1] in b"-0123456789":
            with suppress(ValueError):
                return int(stored)
        body = stored if self._seal is None else self._seal.opened(_unmarked(stored), name.encode())
        return self._serializer.loads(self._expanded(body))

    def _expanded(self, body: bytes) -> Any:
        try:
            return self._compressor.decompress(body)
        except CompressorError:  # it was too small to be compressed
            return body

    def _reversed(self, key: str) -> str:
        """Return what "prefix:version:key" is the key of, where the prefix has colons too."""
        return key.removeprefix(f"{self._backend.key_prefix}:").partition(":")[2]

    def _warn(self, error: Exception) -> None:
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + QUIET
            logger.warning("Entries of the cache at %s are misses: %s", self.alias, error)


def _unmarked(value: bytes) -> bytes:
    if value[:1] != _SIGNED:
        raise SerializationError("Stored bytes are not signed.")
    return value[1:]


def _of_the_cache(name: str) -> Callable[..., Any]:
    def call(self: Client, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._backend, name)(*args, **kwargs)

    return call


for _name in OPERATIONS:
    setattr(Client, _name, _of_the_cache(_name))
