"""The cache: Django's and django-redis' API, each operation written once and served sync, async and batched."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django_redis.util import CacheKey
from redis.exceptions import ResponseError

from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script

from .client import MISS
from .cold import Cold
from .entries import forgiving
from .keyspace import Keyspace
from .lease import LEASE

WRITE = Script("write.lua")
INCR = Script("incr.lua")
SWAP = Script("swap.lua")


class RedisCache(Cold):
    """``CACHES = {"default": {"BACKEND": "django_redis_patterns.caching.RedisCache", "LOCATION": "redis://..."}}``.

    Whatever works on ``django_redis.cache.RedisCache`` works here. OPTIONS may have ``CONNECTION``, one of
    REDIS_PATTERNS CONNECTIONS in place of a LOCATION, and ``LEASE``: seconds that `get_or_set` gives one caller to
    compute a value that others wait for. Raises `RedisUnavailable` when Redis is away, unless IGNORE_EXCEPTIONS is set.
    """

    async def _get(self, io: IO, key: str, default: Any = None, version: int | None = None) -> Any:
        """Return the value of *key*, or *default*; None is a value."""
        value = await self._read(io, self._entry(key, version))
        return default if value is MISS else value

    get, aget = both(_get)

    @forgiving(dict)
    async def _get_many(self, io: IO, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        """Return the values of those *keys* that have one."""
        entries = {self._entry(key, version): key for key in keys}
        values = zip(entries.values(), await self._read_all(io, list(entries)), strict=True)
        return {key: value for key, value in values if value is not MISS}

    get_many, aget_many = both(_get_many)

    @forgiving()
    async def _set(
        self, io: IO, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None, *,
        nx: bool = False, xx: bool = False,
    ) -> bool:  # fmt: skip
        """Store *value* for *timeout* seconds; returns whether it was.

        ``nx``: only if there is none; ``xx``: only if there is one.
        """
        entry, ttl = self._entry(key, version), self._ttl_ms(timeout)
        stored = self.client.pack(entry, value)
        if ttl is not None and ttl <= 0:
            return not await self._is_there(io, entry) if nx else bool(await io.redis.unlink(entry))
        if nx or xx:
            return bool(await io.run(WRITE, keys=[entry], args=[LEASE, "nx" if nx else "xx", stored, ttl or 0]))
        return bool(await self._put(io, entry, stored, ttl))

    set, aset = both(_set)

    async def _add(
        self, io: IO, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Store *value* if there is none; returns whether it was."""
        return await self._set(io, key, value, timeout, version, nx=True)

    add, aadd = both(_add)

    @forgiving(list)
    async def _set_many(
        self, io: IO, data: Mapping[str, Any], timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[str]:
        """Store all of *data* in one trip; returns the keys that could not be: none."""
        ttl, entries = self._ttl_ms(timeout), {self._entry(key, version): value for key, value in data.items()}
        if ttl is not None and ttl <= 0:
            await self._unlink(io, list(entries))
            return []
        pack = self.client.pack
        await io.gather(*(self._put(io, entry, pack(entry, value), ttl) for entry, value in entries.items()))
        return []

    set_many, aset_many = both(_set_many)

    @forgiving()
    async def _delete(self, io: IO, key: str, version: int | None = None, prefix: str | None = None) -> bool:
        """Remove *key*; returns whether it was there. A value that is being computed for it will not be stored."""
        return bool(await io.redis.unlink(self._entry(key, version, prefix)))

    delete, adelete = both(_delete)

    @forgiving()
    async def _delete_many(self, io: IO, keys: Iterable[str], version: int | None = None) -> int | None:
        """Remove *keys* in one trip; returns how many were there, None when no key was given."""
        entries = [self._entry(key, version) for key in keys]
        return await self._unlink(io, entries) if entries else None

    delete_many, adelete_many = both(_delete_many)

    @forgiving()
    async def _delete_pattern(
        self, io: IO, pattern: str, version: int | None = None, prefix: str | None = None, itersize: int | None = None
    ) -> int:
        """Remove every key that matches, *itersize* at a time; returns how many there were."""
        return await self._remove(io, self.client.make_pattern(pattern, version, prefix), itersize)

    delete_pattern, adelete_pattern = both(_delete_pattern)

    @forgiving()
    async def _clear(self, io: IO) -> None:
        """Remove the keys of this cache, and of no other: those with its KEY_PREFIX, in all versions."""
        space = Keyspace(self)
        await self._remove(io, space.pattern, None, space.owns)

    clear, aclear = both(_clear)

    @forgiving()
    async def _has_key(self, io: IO, key: str, version: int | None = None) -> bool:
        """Return whether there is something."""
        return await self._is_there(io, self._entry(key, version))

    has_key, ahas_key = both(_has_key)

    @forgiving()
    async def _keys(self, io: IO, search: str, version: int | None = None) -> list[str]:
        """Return every key that matches, by SCAN: *search* is a pattern, and "*" is all."""
        found: set[bytes] = set()
        walk = self._walk(io, self.client.make_pattern(search, version))
        while walk:
            found.update(await walk.next())
        return [self.client.reverse_key(key.decode()) for key in found]

    keys, akeys = both(_keys)

    @forgiving()
    async def _incr(
        self, io: IO, key: str, delta: int = 1, version: int | None = None, ignore_key_check: bool = False
    ) -> int:
        """Add *delta*, atomically, and return the sum. ValueError: there is none, unless ``ignore_key_check``."""
        entry = self._entry(key, version)
        try:
            if ignore_key_check:
                return int(await io.redis.incrby(entry, delta))
            total = await io.run(INCR, keys=[entry], args=[delta])
        except ResponseError:  # no integer of Redis': a float, one of more than 64 bits, a lease
            if ignore_key_check and await self._add(io, key, delta, None, version):
                return delta
            return await self._add_up(io, entry, delta)  # type: ignore[no-any-return]
        if total is None:
            raise ValueError(f"Key {key!r} not found")
        return int(total)

    incr, aincr = both(_incr)

    async def _decr(self, io: IO, key: str, delta: int = 1, version: int | None = None) -> int:
        """Take *delta* off, atomically, and return the difference."""
        return await self._incr(io, key, -delta, version)

    decr, adecr = both(_decr)

    @forgiving()
    async def _incr_version(self, io: IO, key: str, delta: int = 1, version: int | None = None) -> int:
        """Move the entry to another version, its time to live with it; returns that version. ValueError: no entry."""
        version = self.version if version is None else version
        moved = self.client.reverse_key(key) if isinstance(key, CacheKey) else key
        old, new = self._entry(key, version), self._entry(moved, version + delta)
        redis: Any = io.redis
        stored, left = await io.gather(redis.get(old), redis.pttl(old))
        value = self.client.read(old, stored)
        if value is MISS or left in (-2, 0):  # it may end between two commands
            raise ValueError(f"Key {key!r} not found")
        if new == old:
            return version
        await redis.set(new, self.client.pack(new, value), px=left if left > 0 else None)
        await redis.unlink(old)
        return version + delta

    incr_version, aincr_version = both(_incr_version)

    async def aclose(self, **_: Any) -> None:
        """Nothing to do at the end of a request: the connections are the event loop's."""

    async def _add_up(self, io: IO, entry: str, delta: int) -> Any:
        """Add in Python, and store the sum if nobody was faster."""
        while True:
            stored = await io.redis.get(entry)
            if (value := self.client.read(entry, stored)) is MISS:
                raise ValueError(f"Key {entry!r} not found")
            total = value + delta
            if await io.run(SWAP, keys=[entry], args=[stored, self.client.pack(entry, total)]):
                return total
