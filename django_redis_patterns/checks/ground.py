"""The settings as a whole, the databases that rooms share with caches, and what error reports tell."""

from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.utils.module_loading import import_string

from django_redis_patterns.conf import Connection, settings
from django_redis_patterns.core.connections import options
from django_redis_patterns.core.connections.caches import BACKENDS
from django_redis_patterns.exceptions import InvalidConfiguration, without_secrets
from django_redis_patterns.streams.registry import consumers

from .caching import OUR_CACHE
from .sessions import ENGINE

REPORTER_FILTER = "django_redis_patterns.debug.ExceptionReporterFilter"

Messages = list[checks.CheckMessage]


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
    """Warn that ``cache.clear()`` is FLUSHDB and would take what rooms keep there."""
    try:
        return [
            checks.Warning(
                f"{room.capitalize()} share a Redis database with CACHES[{alias!r}]: its clear() would {harm}.",
                hint=f'Write "BACKEND": "{OUR_CACHE}", whose clear() removes its own keys only; or give {room} a '
                'database of their own: REDIS_PATTERNS = {"CONNECTIONS": {"state": "redis://localhost:6379/1"}, '
                f'"{room.upper()}": {{"CONNECTION": "state"}}}}.',
                id="redis_patterns.W001",
            )
            for room, harm in _harmed()
            for alias in _sharing(getattr(settings(), room).connection)
        ]
    except InvalidConfiguration:
        return []


def check_error_reports(**_: Any) -> Messages:
    """Warn of passwords that Django's own filter leaves in a mail to the admins."""
    if django_settings.DEBUG:
        return []
    reporter = import_string(django_settings.DEFAULT_EXCEPTION_REPORTER_FILTER)()
    given = {name: getattr(django_settings, name, None) for name in ("REDIS_PATTERNS", "CACHES", "CHANNEL_LAYERS")}
    shown = {name: str(reporter.cleanse_setting(name, value)) for name, value in given.items()}
    return [
        checks.Warning(
            f"{name} has an URL with a login in it, and error reports show it.",
            hint=f'Set DEFAULT_EXCEPTION_REPORTER_FILTER = "{REPORTER_FILTER}", or use PASSWORD or PASSWORD_FILE.',
            id="redis_patterns.W002",
        )
        for name, text in shown.items()
        if without_secrets(text) != text
    ]


def _harmed() -> list[tuple[str, str]]:
    """Return the rooms of which the settings tell that they are used, and what a flush does to them."""
    given = getattr(django_settings, "REDIS_PATTERNS", {})
    sessions = [("sessions", "log everybody out")] if django_settings.SESSION_ENGINE == ENGINE else []
    locks = [("locks", "take them from their holders")] if "LOCKS" in given else []
    streams = [("streams", "lose what nobody has handled yet")] if "STREAMS" in given or consumers() else []
    return sessions + locks + streams


def _sharing(connection: str) -> list[str]:
    ours = options.target(connection).place()
    return [alias for alias in _redis_caches() if options.resolve(alias, Connection(cache=alias)).place() == ours]


def _default_is_used() -> bool:
    given = getattr(django_settings, "REDIS_PATTERNS", {}).get("CONNECTIONS", {})
    return "default" in given or settings().sessions.connection == "default"


def _redis_caches() -> list[str]:
    foreign = [name for name in BACKENDS if not name.startswith("django_redis_patterns.")]
    return [alias for alias, cache in django_settings.CACHES.items() if cache.get("BACKEND") in foreign]
