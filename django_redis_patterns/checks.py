"""System checks of all rooms. They read settings only: no check talks to Redis.

redis_patterns.E001  ``REDIS_PATTERNS`` cannot be used
redis_patterns.W001  a cache shares its database with data that ``cache.clear()`` would wipe
redis_patterns.E101  our session middleware over a foreign session engine
redis_patterns.W101  our session engine under Django's own middleware
redis_patterns.W102  sessions are read with something other than JSON
"""

from typing import Any

from django.conf import settings as django_settings
from django.core import checks

from .conf import settings
from .core.connections import options
from .exceptions import InvalidConfiguration

ENGINE = "django_redis_patterns.sessions"
OUR_MIDDLEWARE = "django_redis_patterns.sessions.SessionMiddleware"
DJANGO_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"
JSON = "django.contrib.sessions.serializers.JSONSerializer"

Messages = list[checks.CheckMessage]


def register_all() -> None:
    """Register every check once."""
    for check in (check_configuration, check_shared_database, check_session_middleware, check_session_serializer):
        checks.register(check, "redis_patterns")


def check_configuration(**_: Any) -> Messages:
    """Report what the first read would raise."""
    try:
        for alias in settings().connections:
            if alias != "default" or _default_is_used():
                options.target(alias)
    except InvalidConfiguration as error:
        return [checks.Error(str(error), id="redis_patterns.E001")]
    return []


def check_shared_database(**_: Any) -> Messages:
    """Warn that ``cache.clear()`` is FLUSHDB and would end every session."""
    if django_settings.SESSION_ENGINE != ENGINE:
        return []
    try:
        ours = options.target(settings().sessions.connection).place()
        shared = [alias for alias in _redis_caches() if options.cache_target(alias).place() == ours]
    except InvalidConfiguration:
        return []
    return [
        checks.Warning(
            f"Sessions share a Redis database with CACHES[{alias!r}]: its clear() would log everybody out.",
            hint='Give sessions their own: REDIS_PATTERNS = {"CONNECTIONS": {"state": "redis://localhost:6379/1"}, '
            '"SESSIONS": {"CONNECTION": "state"}}.',
            id="redis_patterns.W001",
        )
        for alias in shared
    ]


def check_session_middleware(**_: Any) -> Messages:
    """Engine and middleware belong together."""
    is_ours = django_settings.SESSION_ENGINE == ENGINE
    if OUR_MIDDLEWARE in django_settings.MIDDLEWARE and not is_ours:
        hint = f'Set SESSION_ENGINE = "{ENGINE}".'
        message = f"{OUR_MIDDLEWARE} works with our session engine only."
        return [checks.Error(message, hint=hint, id="redis_patterns.E101")]
    if DJANGO_MIDDLEWARE in django_settings.MIDDLEWARE and is_ours:
        hint = f'Replace it by "{OUR_MIDDLEWARE}".'
        message = "Django's SessionMiddleware hops threads under ASGI and answers 500 when Redis is away."
        return [checks.Warning(message, hint=hint, id="redis_patterns.W101")]
    return []


def check_session_serializer(**_: Any) -> Messages:
    """Who can write to Redis must not be able to run code here."""
    if django_settings.SESSION_ENGINE != ENGINE or django_settings.SESSION_SERIALIZER == JSON:
        return []
    return [
        checks.Warning(
            f"Sessions are read with {django_settings.SESSION_SERIALIZER}.",
            hint=f'If it unpickles, whoever can write to Redis can run code: use "{JSON}".',
            id="redis_patterns.W102",
        )
    ]


def _default_is_used() -> bool:
    given = getattr(django_settings, "REDIS_PATTERNS", {}).get("CONNECTIONS", {})
    return "default" in given or settings().sessions.connection == "default"


def _redis_caches() -> list[str]:
    foreign = [name for name in options.REDIS_BACKENDS if not name.startswith("django_redis_patterns.")]
    return [alias for alias, cache in django_settings.CACHES.items() if cache.get("BACKEND") in foreign]
