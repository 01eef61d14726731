"""What django-redis does well already: sets, hashes, sorted sets, locks, iteration. Its code, our errors."""

from collections.abc import Callable, Iterator
from functools import wraps
from inspect import isfunction, isgenerator
from typing import Any

from django_redis.cache import RedisCache
from redis.exceptions import ResponseError

from django_redis_patterns.core.connections.errors import DRIVER_ERRORS, named
from django_redis_patterns.exceptions import RedisUnavailable


def _adopted(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return *method* with the driver's errors under our names, and outages ignored where the site asks for it."""

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            told = method(self, *args, **kwargs)
            return _lazily(self, told) if isgenerator(told) else told
        except DRIVER_ERRORS as error:
            return _answered(self, error)

    return call


def _lazily(cache: Any, told: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from told
    except DRIVER_ERRORS as error:
        _answered(cache, error)


def _answered(cache: Any, error: Exception) -> None:
    ours = named(error, cache.connection)
    if not cache.ignores(ours):
        raise ours


class Borrowed(RedisCache):  # type: ignore[misc]  # django-redis is not typed
    """django-redis' cache, each of its methods adopted."""

    def ignores(self, error: Exception) -> bool:
        """Return whether the site wants to go on without Redis. A refused login is no outage: it is never ignored."""
        if not self._ignore_exceptions or not isinstance(error, RedisUnavailable | ResponseError):
            return False
        if self._log_ignored_exceptions:
            self.logger.warning("A cache at %s was passed over: %s", self.connection, error)
        return True


for _name, _method in vars(RedisCache).items():
    if isfunction(_method) and not _name.startswith("_"):
        setattr(Borrowed, _name, _adopted(_method))
