"""How long an entry lives."""

from datetime import datetime, timedelta
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT

from django_redis_patterns.core.operations import IO, both

from .entries import Entries, forgiving


class Expiring(Entries):
    """django-redis' words for the time to live of an entry, and Django's one."""

    @forgiving()
    async def _touch(
        self, io: IO, key: str, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Have *key* live *timeout* seconds from now, None: for ever; returns whether there was something to change."""
        entry, ttl = self._entry(key, version), self._ttl_ms(timeout)
        return bool(await (io.redis.persist(entry) if ttl is None else io.redis.pexpire(entry, ttl)))

    touch, atouch = both(_touch)

    @forgiving()
    async def _ttl(self, io: IO, key: str, version: int | None = None) -> int | None:
        """Return the seconds that *key* has left: None is for ever, 0 when there is nothing."""
        return _left(await io.redis.ttl(self._entry(key, version)))

    ttl, attl = both(_ttl)

    @forgiving()
    async def _pttl(self, io: IO, key: str, version: int | None = None) -> int | None:
        """Return the same in milliseconds."""
        return _left(await io.redis.pttl(self._entry(key, version)))

    pttl, apttl = both(_pttl)

    @forgiving()
    async def _persist(self, io: IO, key: str, version: int | None = None) -> bool:
        """Have *key* live for ever; returns whether that is new."""
        return bool(await io.redis.persist(self._entry(key, version)))

    persist, apersist = both(_persist)

    @forgiving()
    async def _expire(self, io: IO, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Have *key* live *timeout* seconds, or a timedelta, from now; returns whether there is something."""
        return await self._live(io, key, timeout, 1000, version)

    expire, aexpire = both(_expire)

    @forgiving()
    async def _pexpire(self, io: IO, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Do the same with milliseconds."""
        return await self._live(io, key, timeout, 1, version)

    pexpire, apexpire = both(_pexpire)

    @forgiving()
    async def _expire_at(self, io: IO, key: str, when: int | datetime, version: int | None = None) -> bool:
        """Have *key* live until *when*, a Unix time in seconds or a datetime; returns whether there is something."""
        return bool(await io.redis.expireat(self._entry(key, version), when))

    expire_at, aexpire_at = both(_expire_at)

    @forgiving()
    async def _pexpire_at(self, io: IO, key: str, when: int | datetime, version: int | None = None) -> bool:
        """Do the same with milliseconds."""
        return bool(await io.redis.pexpireat(self._entry(key, version), when))

    pexpire_at, apexpire_at = both(_pexpire_at)

    async def _live(self, io: IO, key: str, timeout: Any, unit_ms: int, version: int | None) -> bool:
        if timeout is DEFAULT_TIMEOUT:
            return await self._touch(io, key, timeout, version)
        ms = timeout / timedelta(milliseconds=1) if isinstance(timeout, timedelta) else timeout * unit_ms
        return bool(await io.redis.pexpire(self._entry(key, version), int(ms)))


def _left(told: int) -> int | None:
    return None if told == -1 else max(told, 0)
