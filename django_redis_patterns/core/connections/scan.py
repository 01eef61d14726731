"""A walk through all keys of a connection, slowly: for people who look after a site."""

from collections.abc import Iterator

from django_redis_patterns.core.keys import escaped

from .clients import client
from .errors import naming

#: How many keys Redis looks at in one step.
STEP = 1000


def scan(alias: str, stem: str, tail: str) -> Iterator[str]:
    """Yield the keys that begin with *stem*, as it is, and go on like the pattern *tail*.

    Those that are there all the while, and perhaps others. Raises `RedisUnavailable` and `RedisDenied`.
    """
    with naming(alias):
        for key in client(alias).scan_iter(match=f"{escaped(stem)}{tail}", count=STEP):
            yield key.decode()
