"""Caches of our backend."""

from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured

from django_redis_patterns.core.connections import options

OUR_CACHE = "django_redis_patterns.caching.RedisCache"

Messages = list[checks.CheckMessage]


def check_caches(**_: Any) -> Messages:
    """Report what the first use of a cache of ours would raise."""
    found: Messages = []
    for alias in [alias for alias, cache in django_settings.CACHES.items() if cache.get("BACKEND") == OUR_CACHE]:
        try:
            cache: Any = caches[alias]
            options.target(cache.connection)
        except (ImproperlyConfigured, ImportError) as error:
            found.append(checks.Error(f"CACHES[{alias!r}]: {error}", id="redis_patterns.E201"))
    return found
