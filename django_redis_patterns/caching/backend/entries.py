"""One entry, or some, as every operation needs them: their keys, reading, removing, passing over an outage."""

from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from django.conf import settings as django_settings
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django_redis.client import DefaultClient, SentinelClient
from redis.exceptions import ResponseError

from django_redis_patterns.core.connections.clients import is_cluster
from django_redis_patterns.core.operations import IO
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.exceptions import InvalidConfiguration, RedisUnavailable

from .borrowed import Borrowed
from .client import MISS, Client
from .keyspace import STEP, Walk
from .lease import LEASE

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
            except (RedisUnavailable, ResponseError) as error:
                if not self.ignores(error):
                    raise
                return otherwise()  # type: ignore[no-any-return]

        return forgiven

    return decorate


class Entries(Borrowed):
    """The ground on which the operations stand."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        given: type = self._client_cls  # type: ignore[has-type]
        self._client_cls = Client if given in (DefaultClient, SentinelClient) else given
        if not issubclass(self._client_cls, Client):
            raise InvalidConfiguration(
                f"CLIENT_CLASS {given.__qualname__} brings connections of its own. Leave it out: a cluster "
                "is OPTIONS CONNECTION, and get_or_set() keeps a herd back by itself. A class of your own has to "
                "inherit from django_redis_patterns.caching.backend.Client."
            )
        self._lease = params.get("OPTIONS", {}).get("LEASE", 30)
        if not isinstance(self._lease, int | float) or self._lease <= 0:
            raise InvalidConfiguration(f"OPTIONS LEASE of a cache must be seconds, more than 0, not {self._lease!r}.")

    @property
    def connection(self) -> str:
        """The alias of the connection that holds the entries."""
        return self.client.alias  # type: ignore[no-any-return]

    def _entry(self, key: str, version: int | None = None, prefix: str | None = None) -> str:
        entry: str = self.client.make_key(key, version, prefix)
        self.validate_key(entry)
        return entry

    def _ttl_ms(self, timeout: float | None) -> int | None:
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return None if seconds is None else int(seconds * 1000)

    def _by_slot(self, entries: Sequence[Any]) -> list[Sequence[Any]]:
        """Return *entries* in groups that one command may have."""
        if not entries:
            return []
        return [[entry] for entry in entries] if is_cluster(self.connection) else [entries]

    @forgiving(lambda: MISS)
    async def _read(self, io: IO, entry: str) -> Any:
        return self.client.read(await io.redis.get(entry))

    async def _read_all(self, io: IO, entries: list[str]) -> list[Any]:
        redis: Any = io.redis
        found: list[list[Any]] = await io.gather(*(redis.mget(group) for group in self._by_slot(entries)))
        return [self.client.read(stored) for group in found for stored in group]

    async def _is_there(self, io: IO, entry: str) -> bool:
        return bool(await io.run(HAS, keys=[entry], args=[LEASE]))

    async def _unlink(self, io: IO, entries: Sequence[Any]) -> int:
        redis: Any = io.redis
        return sum(await io.gather(*(redis.unlink(*group) for group in self._by_slot(entries))))

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
