"""Caching: what was computed once, kept until it is invalidated.

    CACHES = {"default": {"BACKEND": "django_redis_patterns.caching.RedisCache", "LOCATION": "redis://localhost:6379/0"}}

Get: GET. Set: SET PX. Add: one script. A cold `get_or_set`: GET, a script for the lease, one to store.
Promises: one computation of a cold key in the fleet; what was deleted meanwhile is not stored.
"""

from .backend import RedisCache

__all__ = ["RedisCache"]
