"""Caching: a function's results in Redis, made once in the fleet, and never served after they were invalidated.

    @cached(ttl=300, stale=600, tags=["author:{author_id}"], depends_on=[Book])
    def top(author_id, limit=10): ...                    # the same on async def
    top(7); top.peek(7); top.set(value, 7); top.refresh(7); top.invalidate(7); top.many([(7,), (8,)])
    invalidate(book); invalidate(Book); invalidate_tags("author:7")      # in a transaction, when it commits
    CACHES = {"default": {"BACKEND": "django_redis_patterns.caching.RedisCache", "LOCATION": "redis://..."}}

Hit: GET (MGET with tags), one trip. Miss: GET, one script that gives out the lease, the call, one script that stores:
three. Who waits is woken by PUBLISH. Invalidate: one UNLINK, of however many.
Promises: one call of the function per cold key; an invalidation beats every computation that began before it; values
are signed, and come back as they were. With Redis away the function is called.
"""

from django_redis_patterns.exceptions import SerializationError, ValueTooLarge

from .backend import RedisCache
from .cached import Cached, cached
from .invalidation import ainvalidate, ainvalidate_tags, invalidate, invalidate_tags
from .managers import InvalidatingManager, InvalidatingQuerySet
from .tally import Stats

__all__ = [
    "Cached",
    "InvalidatingManager",
    "InvalidatingQuerySet",
    "RedisCache",
    "SerializationError",
    "Stats",
    "ValueTooLarge",
    "ainvalidate",
    "ainvalidate_tags",
    "cached",
    "invalidate",
    "invalidate_tags",
]
