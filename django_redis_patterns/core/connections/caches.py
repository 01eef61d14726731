"""What Django's ``CACHES`` say about a Redis: address and credentials of an alias, in our words."""

import ssl
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings as django_settings

from django_redis_patterns.conf import Connection, settings
from django_redis_patterns.exceptions import InvalidConfiguration

BACKENDS = (
    "django_redis.cache.RedisCache",
    "django.core.cache.backends.redis.RedisCache",
    "django_redis_patterns.caching.RedisCache",
)
#: What a pool of redis-py is told, and what we call it.
IN_OUR_WORDS = {
    "socket_timeout": "timeout",
    "socket_connect_timeout": "connect_timeout",
    "max_connections": "max_connections",
    "ssl_ca_certs": "ca_file",
}
#: Who a server may be, and who we are: as on redis-py.
TRUST = ("ssl_cert_reqs", "ssl_check_hostname", "ssl_certfile", "ssl_keyfile", "ssl_password", "ssl_ca_path")
#: What changes nothing but how often it is tried, and for how long: for all of a connection the same.
OURS_TO_SAY = (
    *("retry", "retry_on_timeout", "retry_on_error", "timeout", "health_check_interval", "socket_keepalive"),
    *("socket_keepalive_options", "socket_read_size", "client_name", "lib_name", "lib_version", "driver_info"),
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
    """Return the connection of a cache that is ours: its time-outs, its bound and its trust too."""
    given = {name.lower(): value for name, value in options.items()}
    pool = _heard(given.pop("connection_pool_kwargs", None) or {})
    given = {**pool, **{name: value for name, value in given.items() if value}}
    said = {ours: given.get(theirs) for theirs, ours in IN_OUR_WORDS.items()}
    for name in ("timeout", "connect_timeout", "max_connections"):
        if not isinstance(said[name], int | float | None):
            raise InvalidConfiguration(f"A cache's OPTIONS for {name} must be a number, not {said[name]!r}.")
    where = _address(location, given)
    if trust := {name: value for name, value in pool.items() if name in TRUST}:
        where["url"] = _trusting(where.get("url"), trust)
    return Connection(**where, **{name: value for name, value in said.items() if value})


def _heard(pool: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *pool*, if nothing in it would be passed over that changes what is sent or read."""
    heard = (*IN_OUR_WORDS, *TRUST, "username", "password", "db")
    for name in pool:
        if name not in (*heard, *OURS_TO_SAY):
            raise InvalidConfiguration(
                f"A cache's OPTIONS CONNECTION_POOL_KWARGS has {name!r}, which is not heard here: leave it out. "
                f"Heard are {', '.join(heard)}."
            )
    return pool


def _trusting(url: str | None, trust: Mapping[str, Any]) -> str:
    """Return *url* with what it takes to trust its server, in redis-py's words."""
    if url is None or not url.startswith("rediss://"):
        raise InvalidConfiguration(
            f"A cache's OPTIONS CONNECTION_POOL_KWARGS has {', '.join(trust)}: that takes a LOCATION of rediss://."
        )
    words = {name: _word(value) for name, value in trust.items()}
    return f"{url}{'&' if '?' in url else '?'}{urlencode(words)}"


def _word(value: Any) -> str:
    """Return *value* as an URL says it; a number is one of the constants of ssl."""
    if isinstance(value, int) and not isinstance(value, bool):
        return ssl.VerifyMode(value).name.removeprefix("CERT_").lower()
    return "none" if value is None else str(value)


def _address(location: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a cache is and who may go there; *given* are its options. Replicas are not read."""
    location = location or "redis://localhost:6379/0"
    first = location.split(",")[0] if isinstance(location, str) else next(iter(location))
    login = {k: given[k] for k in ("username", "password") if given.get(k)}
    login |= {"db": int(given["db"])} if given.get("db") else {}
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
