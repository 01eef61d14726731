"""The backend for Django's ``CACHES``: django-redis' own, on this app's connections, with its promises."""

from .cache import RedisCache
from .client import Client

__all__ = ["Client", "RedisCache"]
