"""django-redis' client over our connections: how an entry is spelt and written."""

import logging
from contextlib import suppress
from typing import Any

from django_redis.client import DefaultClient
from django_redis.exceptions import CompressorError
from django_redis.serializers.base import BaseSerializer
from django_redis.util import CacheKey
from redis import Redis

from django_redis_patterns.conf import settings
from django_redis_patterns.conf.values import known
from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import client as connected
from django_redis_patterns.core.connections.caches import connection_of
from django_redis_patterns.core.connections.options import declare
from django_redis_patterns.core.serializers import SignedPickle
from django_redis_patterns.exceptions import InvalidConfiguration, SerializationError, without_secrets

from .keyspace import escaped
from .lease import LEASE

#: What stands for "nothing is there": None is a value.
MISS: Any = object()

_PICKLE = "django_redis.serializers.pickle.PickleSerializer"
_SIGNED = f"{__name__}.SignedSerializer"
# Options of django-redis that say how it connects, which is ours to say.
_CONNECTING = ("CONNECTION_POOL_CLASS", "PARSER_CLASS", "REDIS_CLIENT_CLASS", "SENTINELS")

_NUMERIC = (*(b"%d" % digit for digit in range(10)), b"-")

logger = logging.getLogger("django_redis_patterns.caching")


class SignedSerializer(BaseSerializer):  # type: ignore[misc]  # django-redis is not typed
    """Signed pickle under django-redis' name for a serializer; what cannot be pickled raises pickle's own error."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._pickle = SignedPickle("caching.backend")

    def dumps(self, value: Any) -> bytes:
        try:
            return self._pickle.dumps(value)
        except SerializationError as error:
            raise error.__cause__ or error from None

    def loads(self, value: bytes) -> Any:
        return self._pickle.loads(value)


class Client(DefaultClient):  # type: ignore[misc]  # django-redis is not typed
    """Give a subclass of this one as ``CLIENT_CLASS`` to write entries in another way."""

    def __init__(self, server: Any, params: dict[str, Any], backend: Any) -> None:
        options = params.get("OPTIONS", {})
        self.alias = _alias(server, options)
        super().__init__([self.alias], {**params, "OPTIONS": _storing(options)}, backend)

    def get_client(self, write: bool = True, tried: Any = None) -> Redis:
        """Return the plain redis-py client, of the primary always."""
        return connected(self.alias)  # type: ignore[return-value]  # a cluster's has the same commands

    def get_client_with_index(self, write: bool = True, tried: Any = None) -> tuple[Redis, int]:
        """The same, with its place among the servers."""
        return self.get_client(), 0

    def disconnect(self, index: int = 0, client: Any = None) -> None:
        """Nothing: the connections are the whole process'."""

    def clear(self, client: Any = None) -> None:
        """Remove the keys of this cache. Never FLUSHDB."""
        self._backend.clear()

    def make_pattern(self, pattern: str, version: int | None = None, prefix: str | None = None) -> str:
        """Return the pattern of whole keys; nothing but *pattern* itself is special in it."""
        if isinstance(pattern, CacheKey):
            return str(pattern)
        prefix = self._backend.key_prefix if prefix is None else prefix
        version = self._backend.version if version is None else version
        return str(self._backend.key_func(pattern, escaped(prefix), escaped(str(version))))

    def decode(self, value: bytes) -> Any:
        """Return the value of *value*. django-redis tries an integer first, and most often in vain, which is slow."""
        if value[:1] in _NUMERIC:
            return super().decode(value)
        with suppress(CompressorError):  # what was too small to be compressed
            value = self._compressor.decompress(value)
        return self._serializer.loads(value)

    def read(self, stored: bytes | None) -> Any:
        """Return the value of what is *stored*, MISS for nothing, a lease, or what cannot be trusted or read."""
        if stored is None or stored.startswith(LEASE):
            return MISS
        try:
            return self.decode(stored)
        except Exception as error:  # a serializer or a compressor may raise anything
            trace.count("caching.undecodable")
            logger.warning("An entry of the cache at %s is a miss: %s", self.alias, error)
            return MISS


def _alias(server: Any, options: dict[str, Any]) -> str:
    """Return the alias of the connection that the cache names, or of where it is."""
    alias = options.get("CONNECTION")
    if alias is None and not server:
        raise InvalidConfiguration(
            'A cache needs a LOCATION, such as "redis://localhost:6379/0", or OPTIONS CONNECTION, '
            "one of REDIS_PATTERNS CONNECTIONS."
        )
    if alias is None:
        first = server.split(",")[0] if isinstance(server, str) else next(iter(server))
        return declare(without_secrets(first), connection_of(server, options))
    known(alias, settings().connections, "OPTIONS CONNECTION of a cache names no connection", "connections")
    return str(alias)


def _storing(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that are about storing, pickle being signed."""
    kept = {name: value for name, value in options.items() if name not in _CONNECTING}
    if kept.get("SERIALIZER", _PICKLE) == _PICKLE:
        kept["SERIALIZER"] = _SIGNED
    return {**kept, "CONNECTION_FACTORY": "django_redis.pool.ConnectionFactory"}
