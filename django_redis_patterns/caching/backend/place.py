"""Where a cache is, and which of django-redis' options are heard. What cannot be is refused, not passed over."""

from typing import Any

from django.conf import settings as django_settings

from django_redis_patterns.conf import settings
from django_redis_patterns.conf.values import known
from django_redis_patterns.core.connections.caches import connection_of
from django_redis_patterns.core.connections.options import declare
from django_redis_patterns.exceptions import InvalidConfiguration, without_secrets

FACTORY = "CONNECTION_FACTORY"
#: Classes that connect, which is ours to do; those of the two libraries bring nothing that we lack.
CLASSES = (FACTORY, "CONNECTION_POOL_CLASS", "PARSER_CLASS", "REDIS_CLIENT_CLASS")
USUAL = ("redis.", "django_redis.")
#: What belongs to a place, and so to the connection that a cache names.
OF_THE_PLACE = (
    *("USERNAME", "PASSWORD", "DB", "SENTINELS", "SENTINEL_KWARGS"),
    *("SOCKET_TIMEOUT", "SOCKET_CONNECT_TIMEOUT", "CONNECTION_POOL_KWARGS"),
)


def alias_of(server: Any, options: dict[str, Any]) -> str:
    """Return the alias of the connection that a cache names, or of where it is; raises `InvalidConfiguration`."""
    _refuse_foreign_classes(options)
    alias = options.get("CONNECTION")
    if alias is not None:
        return _named(str(alias), server, options)
    if not server:
        raise InvalidConfiguration(
            'A cache needs a LOCATION, such as "redis://localhost:6379/0", or OPTIONS CONNECTION, '
            "one of REDIS_PATTERNS CONNECTIONS."
        )
    first = server.split(",")[0] if isinstance(server, str) else next(iter(server))
    return declare(without_secrets(first), connection_of(server, options))


def storing(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that are about storing."""
    kept = {name: value for name, value in options.items() if name not in (*CLASSES, "SENTINELS")}
    return {**kept, FACTORY: "django_redis.pool.ConnectionFactory"}


def _named(alias: str, server: Any, options: dict[str, Any]) -> str:
    known(alias, settings().connections, "OPTIONS CONNECTION of a cache names no connection", "connections")
    if server:
        raise InvalidConfiguration(
            f"A cache has OPTIONS CONNECTION = {alias!r}, which says where it is: leave out its LOCATION."
        )
    for name in OF_THE_PLACE:
        if options.get(name):
            raise InvalidConfiguration(
                f"A cache has OPTIONS {name} beside CONNECTION, and would not be heard: write it into "
                f"REDIS_PATTERNS CONNECTIONS[{alias!r}]."
            )
    return alias


def _refuse_foreign_classes(options: dict[str, Any]) -> None:
    given = {name: options.get(name) for name in CLASSES}
    given[FACTORY] = given[FACTORY] or getattr(django_settings, f"DJANGO_REDIS_{FACTORY}", None)
    for name, path in given.items():
        if path and not str(path).startswith(USUAL):
            raise InvalidConfiguration(
                f"A cache has {name} {path!r}, and its connections are not made by that. Leave it out: LOCATION, the "
                "other OPTIONS and REDIS_PATTERNS CONNECTIONS say all that there is to say about them."
            )
    if options.get("REDIS_CLIENT_KWARGS"):
        raise InvalidConfiguration("A cache has OPTIONS REDIS_CLIENT_KWARGS, which are not heard here: leave them out.")
