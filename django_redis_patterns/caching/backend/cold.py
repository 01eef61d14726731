"""A cold key: one computes it, the others wait."""

from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT

from django_redis_patterns.caching.background import later
from django_redis_patterns.core.operations import IO, both

from .client import MISS
from .entries import forgiving
from .expiry import Expiring
from .lease import Lease


class Cold(Expiring):
    """`get_or_set`, which keeps a herd back."""

    async def _get_or_set(
        self, io: IO, key: str, default: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> Any:
        """Return the value of *key*; if there is none, *default* or what it returns, and store that.

        Of all callers in all processes one computes; the others wait for it, at most a tenth longer than it takes, and
        take over when it fails, or is silent for ``LEASE`` seconds. What is written or deleted meanwhile stays so. A
        plain function is called off the event loop, a coroutine function on it.
        """
        entry = self._entry(key, version)
        if (value := await self._read(io, entry)) is not MISS:
            return value
        await io.expect_to_wait(self._lease)
        lease = Lease(self.connection, entry, self._lease)
        try:
            return await self._led(io, lease, default, self._ttl_ms(timeout))
        except GeneratorExit:  # a signal, a cancelled task: nothing can be waited for any more
            later(lease.give_back)
            raise

    get_or_set, aget_or_set = both(_get_or_set)

    async def _led(self, io: IO, lease: Lease, default: Any, ttl_ms: int | None) -> Any:
        """Return what somebody stores before it is our turn, or what we compute and store."""
        while (stored := await self._claim(io, lease)) is not None:
            if (value := self.client.read(lease.entry, stored)) is not MISS:
                return value
            lease.refuse(stored)
        try:
            value = await io.call(default) if callable(default) else default
            packed = self.client.pack(lease.entry, value)
        except GeneratorExit:
            raise
        except BaseException:
            await self._give_back(io, lease)
            raise
        await self._store(io, lease, packed, ttl_ms)
        return value

    @forgiving()
    async def _claim(self, io: IO, lease: Lease) -> bytes | None:
        return await lease.claim(io)

    @forgiving()
    async def _store(self, io: IO, lease: Lease, stored: Any, ttl_ms: int | None) -> None:
        await lease.store(io, stored, ttl_ms)

    @forgiving()
    async def _give_back(self, io: IO, lease: Lease) -> None:
        await lease.end(io)
