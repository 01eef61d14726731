from collections.abc import Callable
from typing import Any

import pytest
import redis

from django_redis_patterns.caching import RedisCache
from django_redis_patterns.testing.fixtures import sentinel_trio, tls_server

Make = Callable[..., RedisCache]


@pytest.fixture
def make() -> Make:
    """Make a cache on the default connection: ``make(KEY_PREFIX="shop", SERIALIZER="...")``."""
    outside = {"KEY_PREFIX", "KEY_FUNCTION", "VERSION", "TIMEOUT", "REVERSE_KEY_FUNCTION"}

    def cache(**given: Any) -> RedisCache:
        params = {name: value for name, value in given.items() if name in outside}
        options = {name: value for name, value in given.items() if name not in outside}
        return RedisCache("", {**params, "OPTIONS": {"CONNECTION": "default", **options}})

    return cache


@pytest.fixture
def cache(make: Make, clean_redis: None, bare_redis: redis.Redis) -> RedisCache:
    """A cache whose scripts the servers of these keys know, so that trips are those of an ordinary day."""
    made = make()
    for key in ("n", "key"):
        made.get_or_set(key, 1)
        made.add(key, 1)
        made.has_key(key)
        made.incr(key)
    bare_redis.flushall()
    return made
