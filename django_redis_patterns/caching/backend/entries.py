"""One entry, or some, as every operation needs them: their keys, reading, removing, passing over an outage."""

import re
from collections.abc import Callable, Coroutine, Sequence
from functools import cached_property, partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from django.conf import settings as django_settings
from django.core.cache.backends.base import DEFAULT_TIMEOUT, MEMCACHE_MAX_KEY_LENGTH
from django_redis.client import DefaultClient, SentinelClient
from redis.exceptions import ResponseError

from django_redis_patterns.core.connections.clients import is_cluster
from django_redis_patterns.core.operations import IO
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.exceptions import InvalidConfiguration, RedisUnavailable

from .borrowed import Borrowed
from .client import MISS, OPERATIONS, Client
from .keyspace import STEP, Walk
from .lease import LEASE

#: What a site may have ignored.
OUTAGES = (RedisUnavailable, ResponseError)
_ODD = re.compile(r"[\x00-\x20\x7f]")

HAS = Script("has.lua", idempotent=True)

C = TypeVar("C", bound=Borrowed)
P = ParamSpec("P")
T = TypeVar("T")
Body: TypeAlias = Callable[Concatenate[C, IO, P], Coroutine[Any, Any, T]]


def forgiving(otherwise: Callable[[], Any] = lambda: None) -> Callable[[Body[C, P, T]], Body[C, P, T]]:
    """Have a body answer *otherwise* when Redis is away and the cache has IGNORE_EXCEPTIONS."""

    def decorate(body: Body[C, P, T]) -> Body[C, P, T]:
        @wraps(body)
        async def forgiven(self: C, io: IO, /, *args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return await body(self, io, *args, **kwargs)
            except OUTAGES as error:
                if not self.ignores(error):
                    raise
                return otherwise()  # type: ignore[no-any-return]

        return forgiven

    return decorate


class Entries(Borrowed):
    """The ground on which the operations stand."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._client_cls = _accepted(self._client_cls)  # type: ignore[has-type]
        self._lease = params.get("OPTIONS", {}).get("LEASE", 30)
        if not isinstance(self._lease, int | float) or self._lease <= 0:
            raise InvalidConfiguration(f"OPTIONS LEASE of a cache must be seconds, more than 0, not {self._lease!r}.")

    @cached_property
    def connection(self) -> str:
        """The alias of the connection that holds the entries."""
        return self.client.alias  # type: ignore[no-any-return]

    def _entry(self, key: str, version: int | None = None, prefix: str | None = None) -> str:
        entry = str(self.client.make_key(key, version, prefix))
        self.validate_key(entry)
        return entry

    def validate_key(self, key: str) -> None:
        """Warn of what memcached would not take, as Django does."""
        if len(key) > MEMCACHE_MAX_KEY_LENGTH or _ODD.search(key):
            super().validate_key(key)

    def _ttl_ms(self, timeout: float | None) -> int | None:
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return None if seconds is None else int(seconds * 1000)

    async def _read(self, io: IO, entry: str) -> Any:
        try:
            stored = await io.redis.get(entry)
        except OUTAGES as error:
            if not self.ignores(error):
                raise
            return MISS
        return self.client.read(entry, stored)

    async def _read_all(self, io: IO, entries: list[str]) -> list[Any]:
        found = await self._by_slot(io, partial(_command(io), "MGET"), entries)
        read, stored = self.client.read, (value for group in found for value in group)
        return [read(entry, value) for entry, value in zip(entries, stored, strict=True)]

    async def _put(self, io: IO, entry: str, stored: bytes | int, ttl_ms: int | None) -> Any:
        return await _command(io)("SET", entry, stored, *(() if ttl_ms is None else ("PX", ttl_ms)))

    async def _is_there(self, io: IO, entry: str) -> bool:
        return bool(await io.run(HAS, keys=[entry], args=[LEASE]))

    async def _unlink(self, io: IO, entries: Sequence[Any]) -> int:
        return sum(await self._by_slot(io, io.redis.unlink, entries))

    async def _by_slot(self, io: IO, command: Callable[..., Any], entries: Sequence[Any]) -> list[Any]:
        """Return what *command* tells of *entries*, in groups that one command may have."""
        if is_cluster(self.connection):
            return await io.gather(*(command(entry) for entry in entries))
        return [await command(*entries)] if entries else []

    def _walk(self, io: IO, pattern: str, step: int | None = None) -> Walk:
        usual: int = getattr(django_settings, "DJANGO_REDIS_SCAN_ITERSIZE", STEP)
        return Walk(io, pattern, step or usual)

    async def _remove(
        self, io: IO, pattern: str, step: int | None, is_meant: Callable[[bytes], bool] = lambda key: True
    ) -> int:
        """Remove what matches, in bounded steps of two trips; returns how many keys."""
        removed, walk = 0, self._walk(io, pattern, step)
        while walk:
            removed += await self._unlink(io, [key for key in await walk.next() if is_meant(key)])
        return removed


def _accepted(given: type) -> type[Client]:
    """Return the client in place of *given*: ours, or one that inherits from it and is heard."""
    if given in (DefaultClient, SentinelClient):
        return Client
    name = given.__qualname__
    if not issubclass(given, Client):
        raise InvalidConfiguration(
            f"CLIENT_CLASS {name} brings connections of its own. Leave it out: a cluster is OPTIONS CONNECTION, "
            "and get_or_set() keeps a herd back by itself. A class of your own has to inherit from "
            "django_redis_patterns.caching.backend.Client."
        )
    if unheard := [one for one in OPERATIONS if getattr(given, one) is not getattr(Client, one)]:
        raise InvalidConfiguration(
            f"CLIENT_CLASS {name} has {', '.join(unheard)} of its own, which nobody calls: the cache does that. "
            "Write it into a subclass of RedisCache, and name that as BACKEND."
        )
    return given


def _command(io: IO) -> Callable[..., Any]:
    """Return what sends a command as it is, where redis-py's method takes longer than the rest to look at options."""
    return io.redis.execute_command
