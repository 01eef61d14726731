"""Session engine, middleware and serializer belong together."""

from typing import Any

from django.conf import settings as django_settings
from django.core import checks

ENGINE = "django_redis_patterns.sessions"
OUR_MIDDLEWARE = "django_redis_patterns.sessions.SessionMiddleware"
DJANGO_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"
JSON = "django.contrib.sessions.serializers.JSONSerializer"

Messages = list[checks.CheckMessage]


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
