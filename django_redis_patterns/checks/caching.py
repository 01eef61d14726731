"""Caches of our backend."""

from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_redis_patterns.core.connections import options

OUR_CACHE = "django_redis_patterns.caching.RedisCache"

Messages = list[checks.CheckMessage]


def check_caches(**_: Any) -> Messages:
    """Report what the first use of a cache of ours would raise."""
    found: Messages = []
    for alias in our_caches():
        try:
            cache: Any = caches[alias]
            options.target(cache.connection)
        except (ImproperlyConfigured, ImportError) as error:
            found.append(checks.Error(f"CACHES[{alias!r}]: {error}", id="redis_patterns.E201"))
    return found


def our_caches() -> list[str]:
    """Return the names of the caches of our backend, and of what inherits from it."""
    return [name for name, cache in django_settings.CACHES.items() if _is_ours(str(cache.get("BACKEND")))]


def _is_ours(backend: str) -> bool:
    if backend.startswith(("django.", "django_redis.")):
        return False
    try:
        return issubclass(import_string(backend), import_string(OUR_CACHE))
    except (ImportError, TypeError):  # Django says so itself
        return False
