"""What Django's ``CACHES`` say about a Redis: address and credentials of an alias, in our words."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings

from django_redis_patterns.conf import Connection, settings
from django_redis_patterns.exceptions import InvalidConfiguration

BACKENDS = (
    "django_redis.cache.RedisCache",
    "django.core.cache.backends.redis.RedisCache",
    "django_redis_patterns.caching.RedisCache",
)


def borrowed(alias: str, connection: Connection) -> Connection:
    """Return *connection*, which names a cache, with the address and the credentials of that cache.

    Its sentinels too. Raises `InvalidConfiguration` for a cache that is not there, or not in Redis.
    """
    where = f"REDIS_PATTERNS CONNECTIONS[{alias!r}] = {{'CACHE': {connection.cache!r}}}"
    cache = django_settings.CACHES.get(str(connection.cache))
    if cache is None:
        raise InvalidConfiguration(f"{where}, but CACHES has no {connection.cache!r}.")
    if cache.get("BACKEND") not in BACKENDS:
        raise InvalidConfiguration(
            f"{where} needs a Redis cache, and CACHES[{connection.cache!r}] is {cache.get('BACKEND')}. "
            f'Write REDIS_PATTERNS = {{"CONNECTIONS": {{"{alias}": "redis://localhost:6379/0"}}}}.'
        )
    given = {name.lower(): value for name, value in cache.get("OPTIONS", {}).items()}
    if given.get("connection"):
        return _named(given["connection"], where)
    return replace(connection, cache=None, **_address(cache.get("LOCATION"), given))


def _named(alias: str, where: str) -> Connection:
    """Return the connection that a cache of ours names in its options."""
    found = settings().connections.get(alias)
    if found is None or found.cache is not None:
        raise InvalidConfiguration(
            f"{where} leads to a cache with OPTIONS CONNECTION = {alias!r}, "
            "which must be one of REDIS_PATTERNS CONNECTIONS with an address of its own."
        )
    return found


def connection_of(location: Any, options: Mapping[str, Any]) -> Connection:
    """Return the connection of a cache that is ours: its time-outs and its bound too."""
    given = {name.lower(): value for name, value in options.items()}
    pool = given.get("connection_pool_kwargs") or {}
    said = {
        "timeout": given.get("socket_timeout") or pool.get("socket_timeout"),
        "connect_timeout": given.get("socket_connect_timeout") or pool.get("socket_connect_timeout"),
        "max_connections": pool.get("max_connections"),
        "ca_file": pool.get("ssl_ca_certs"),
    }
    for name in ("timeout", "connect_timeout", "max_connections"):
        if not isinstance(said[name], int | float | None):
            raise InvalidConfiguration(f"A cache's OPTIONS for {name} must be a number, not {said[name]!r}.")
    return Connection(**_address(location, given), **{name: value for name, value in said.items() if value})


def _address(location: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a cache is and who may go there; *given* are its options. Replicas are not read."""
    location = location or "redis://localhost:6379/0"
    first = location.split(",")[0] if isinstance(location, str) else next(iter(location))
    login = {k: given[k] for k in ("db", "username", "password") if given.get(k)}
    place = _behind_sentinels(first, given) if given.get("sentinels") else {"url": first}
    return {**place, **login}


def _behind_sentinels(url: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what django-redis would make of *url*, whose host is the service."""
    parts = urlsplit(url)
    of_sentinels = given.get("sentinel_kwargs") or {}
    said = {
        "sentinels": tuple(f"{host}:{port}" for host, port in given["sentinels"]),
        "service": parts.hostname,
        "db": int(parts.path.strip("/") or 0),
        "username": parts.username,
        "password": parts.password,
        "tls": parts.scheme == "rediss",
        "sentinel_username": of_sentinels.get("username"),
        "sentinel_password": of_sentinels.get("password"),
    }
    return {name: value for name, value in said.items() if value}
