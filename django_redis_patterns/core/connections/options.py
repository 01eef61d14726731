"""From an alias in the settings to the full set of redis-py options: nothing is left to a library default."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from redis.connection import parse_url

from django_redis_patterns.conf import Connection, settings
from django_redis_patterns.exceptions import InvalidConfiguration

Kind = Literal["tcp", "tls", "unix"]

REDIS_BACKENDS = (
    "django_redis.cache.RedisCache",
    "django.core.cache.backends.redis.RedisCache",
    "django_redis_patterns.caching.RedisCache",
)
HEALTH_CHECK_SECONDS = 15


@dataclass(frozen=True)
class Target:
    """Where one Redis is: the kind of socket, redis-py's connection options (they may hold a password), start nodes."""

    kind: Kind
    options: dict[str, Any] = field(repr=False)
    max_connections: int
    cluster: tuple[tuple[str, int], ...] = ()

    def place(self) -> tuple[Any, ...]:
        """Return what two targets share when they are one database."""
        o = self.options
        return (o.get("path") or (o.get("host"), o.get("port")), o.get("db", 0))


def target(alias: str) -> Target:
    """Return where *alias* points. Raises `InvalidConfiguration` for an alias nobody configured."""
    connections = settings().connections
    if alias not in connections:
        known = ", ".join(sorted(connections))
        raise InvalidConfiguration(f"REDIS_PATTERNS CONNECTIONS has no {alias!r}. It has: {known}.")
    return resolve(alias, connections[alias])


def resolve(alias: str, connection: Connection) -> Target:
    """Return where *connection* points."""
    if connection.cache is not None:
        return _from_cache(alias, connection)
    if connection.cluster:
        first, *_ = nodes = [_address(alias, url, connection) for url in connection.cluster]
        hosts = tuple((node.options["host"], node.options["port"]) for node in nodes)
        return replace(first, cluster=hosts)
    return _address(alias, connection.url, connection)


def cache_target(alias: str) -> Target:
    """Return where the Redis cache *alias* of Django's ``CACHES`` points."""
    return _from_cache(alias, Connection(cache=alias))


def _from_cache(alias: str, connection: Connection) -> Target:
    where = f"REDIS_PATTERNS CONNECTIONS[{alias!r}] = {{'CACHE': {connection.cache!r}}}"
    cache = django_settings.CACHES.get(str(connection.cache))
    if cache is None:
        raise InvalidConfiguration(f"{where}, but CACHES has no {connection.cache!r}.")
    if cache.get("BACKEND") not in REDIS_BACKENDS:
        raise InvalidConfiguration(
            f"{where} needs a Redis cache, and CACHES[{connection.cache!r}] is {cache.get('BACKEND')}. "
            f'Write REDIS_PATTERNS = {{"CONNECTIONS": {{"{alias}": "redis://localhost:6379/0"}}}}.'
        )
    location = cache.get("LOCATION") or "redis://localhost:6379/0"
    first = location[0] if isinstance(location, list | tuple) else location.split(",")[0]
    given = {name.lower(): value for name, value in cache.get("OPTIONS", {}).items()}
    borrowed = {k: given[k] for k in ("db", "username", "password") if given.get(k)}
    return _address(alias, first, replace(connection, **borrowed))


def _address(alias: str, url: str | None, connection: Connection) -> Target:
    parts = _parse(alias, url) if url else {}
    tls = connection.tls or (url or "").startswith("rediss://")
    path = parts.pop("path", None) or connection.path
    parts.pop("connection_class", None)
    kind: Kind = "unix" if path else "tls" if tls else "tcp"
    place = {"path": path} if path else {"host": connection.host or "localhost", "port": connection.port}
    tls_options = {"ssl_ca_certs": connection.ca_file} if kind == "tls" and connection.ca_file else {}
    options = {**place, **_credentials(connection), "db": connection.db, **tls_options, **parts, **_always(connection)}
    if kind != "unix":
        options["socket_keepalive"] = True
    return Target(kind, options, connection.max_connections)


def _parse(alias: str, url: str) -> dict[str, Any]:
    try:
        return dict(parse_url(url))  # type: ignore[no-untyped-call]
    except ValueError as error:
        scheme = urlsplit(url).scheme
        raise InvalidConfiguration(
            f"REDIS_PATTERNS CONNECTIONS[{alias!r}] has an URL of scheme {scheme!r} that cannot be read: {error}"
        ) from None


def _credentials(connection: Connection) -> dict[str, Any]:
    password = connection.password
    if connection.password_file:
        password = Path(connection.password_file).read_text(encoding="utf-8").strip()
    return {k: v for k, v in (("username", connection.username), ("password", password)) if v}


def _always(connection: Connection) -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_connect_timeout": connection.connect_timeout,
        "socket_timeout": connection.timeout,
        "health_check_interval": HEALTH_CHECK_SECONDS,
        "encoding": "utf-8",
        "encoding_errors": "strict",
        "decode_responses": False,
        "client_name": None,
        "driver_info": None,
    }
