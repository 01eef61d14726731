"""``@cached``: a function whose results are kept in Redis, and what can be done about them."""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import update_wrapper
from typing import Any, Concatenate, Generic, Never, ParamSpec, Protocol, TypeVar, cast, overload

from asgiref.sync import markcoroutinefunction
from django.db.models import Model

from django_redis_patterns.conf import settings
from django_redis_patterns.core.conductor import refuse_to_block_a_loop
from django_redis_patterns.core.operations import IO, both

from . import leases
from .arguments import Key
from .entry import Format, Hit
from .fetch import Fetch, at_hand
from .following import depend
from .invalidation import aforget, send
from .leases import Mine
from .near import dropping
from .options import Duration, recipe, texts
from .owed import is_owed
from .recipe import Call, Recipe
from .tally import Stats, _all_stats
from .through import write_through
from .transactions import is_dirty

P = ParamSpec("P")
Q = ParamSpec("Q")
S = TypeVar("S")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Cached(Generic[T]):
    """A cached function. Each method but ``call_of`` and ``key_for`` talks to Redis and has its ``a`` twin.

    They take the function's own arguments; on a method of an object (``shop.top.refresh(7)``) without ``self``.
    """

    def __init__(self, recipe: Recipe, first: tuple[Any, ...] = ()) -> None:
        self.recipe = recipe
        self._first = first
        update_wrapper(self, recipe.function)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"<cached {self.recipe.name}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Go to another process by name, as functions do."""
        function = self.recipe.function
        return (getattr, (*self._first, function.__name__)) if self._first else function.__qualname__

    def _of(self, owner: Any) -> Any:
        """Return the method of *owner*."""
        method = object.__new__(type(self))
        method.__dict__.update(self.__dict__, _first=(owner,))
        return method

    @property
    def connection(self) -> str:
        """The alias of the connection that keeps its results."""
        return self.recipe.connection

    def call_of(self, *args: Any, **kwargs: Any) -> Call:
        """Return the call with these arguments: what it is called, and its tags."""
        return self.recipe.call(self._first + args, kwargs)

    def key_for(self, *args: Any, **kwargs: Any) -> str:
        """Return the key in Redis of this call's result."""
        return self.call_of(*args, **kwargs).place.value

    async def _get(self, io: IO, /, *args: Any, **kwargs: Any) -> T:
        """Return the result: stored, or made now by one caller in the whole fleet for whom the others wait.

        What the function raises comes through, and nothing is stored. With Redis away the function is called, once at a
        time in this process. Raises `SerializationError` for a result that cannot be stored as it is.
        """
        result: T = await Fetch(self.recipe.call(self._first + args, kwargs)).run(io)
        return result

    async def _peek(self, io: IO, /, *args: Any, default: Any = None, **kwargs: Any) -> Any:
        """Return the stored result, or *default*; the function is not called. Raises `RedisUnavailable`."""
        call = self.call_of(*args, **kwargs)
        if is_owed(call.targets):
            return default
        hit, over = leases.aged(call, await leases.look(io, call))
        return default if hit is None or over > call.recipe.stale else hit.value

    async def _set(self, io: IO, value: T, /, *args: Any, **kwargs: Any) -> None:
        """Store *value* as the result of this call, at once; a call on its way is not stored over it.

        Nobody knows of when *value* is: what was invalidated since is not noticed, as it is by ``refresh``. In a
        transaction that will invalidate the call nothing is stored. Raises `SerializationError` and `RedisUnavailable`.
        """
        call = self.call_of(*args, **kwargs)
        if is_dirty(call):
            return
        nonces = await leases.made_nonces(io, call) if call.tags else []
        with dropping(call.place):
            await leases.put(io, call.place, call.codec.pack(value, nonces), call.recipe.life)

    async def _refresh(self, io: IO, /, *args: Any, **kwargs: Any) -> T:
        """Call the function now, store its result in place of what is there, and return it."""
        result: T = await Fetch(self.call_of(*args, **kwargs)).refresh(io)
        return result

    async def _many(self, io: IO, calls: Iterable[Sequence[Any]]) -> list[T]:
        """Return the results of several calls, each given by its positional arguments.

        Three trips for any number of them: read, leases, and after the calls, store.
        """
        wanted = [self.call_of(*args) for args in calls]
        fetches = {call.place.name: Fetch(call) for call in wanted}
        await io.expect_to_wait(1)
        results = await _all(io, fetches)
        return [results[call.place.name] for call in wanted]

    async def _stats(self, io: IO) -> Stats:
        """Return what happened to its calls in the whole fleet, as far as processes have told, and in this one."""
        return (await _all_stats(io, self.connection)).get(self.recipe.name, Stats())

    get, aget = both(_get)
    peek, apeek = both(_peek)
    set, aset = both(_set)
    refresh, arefresh = both(_refresh)
    many, amany = both(_many)
    stats, astats = both(_stats)

    def invalidate(self, *args: Any, **kwargs: Any) -> None:
        """Remove the result of this call, and refuse those on their way; in a transaction, when it commits.

        What was computed from data of before is never served once this, or the commit, has returned. Outside of a
        transaction it raises `RedisUnavailable`.
        """
        send(self.call_of(*args, **kwargs).place)

    async def ainvalidate(self, *args: Any, **kwargs: Any) -> None:
        """Do the same at once."""
        await aforget(self.call_of(*args, **kwargs).place)

    def write_through(self, *names: str) -> Callable[[F], F]:
        """Decorate a function that writes: its result is stored as that of this one for the arguments *names*.

            @get_user.write_through("user_id")
            def update_user(user_id, **changes): ...

        In a transaction it is stored when it commits. Where two writers overlap, the result of neither is: what is
        stored is removed. A failed write removes it too.
        """
        return lambda function: write_through(self, names, function)  # type: ignore[return-value]


class CachedFunction(Cached[T], Generic[P, T]):
    """What ``@cached`` makes of a function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        if self.recipe.is_near:
            refuse_to_block_a_loop(settings().caching.wait)
            if (hit := at_hand(self.recipe.call(self._first + args, kwargs))) is not None:
                return cast(T, hit.value)
        return self.get(*args, **kwargs)

    @overload
    def __get__(self, owner: None, kind: type, /) -> "CachedFunction[P, T]": ...
    @overload
    def __get__(
        self: "CachedFunction[Concatenate[S, Q], T]", owner: S, kind: type | None = None, /
    ) -> "CachedFunction[Q, T]": ...
    def __get__(self, owner: Any, kind: Any = None, /) -> "CachedFunction[Any, T]":
        return self if owner is None else self._of(owner)


class CachedCoroutine(Cached[T], Generic[P, T]):
    """What ``@cached`` makes of a coroutine function."""

    def __init__(self, recipe: Recipe, first: tuple[Any, ...] = ()) -> None:
        super().__init__(recipe, first)
        markcoroutinefunction(self)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        if self.recipe.is_near and (hit := at_hand(self.recipe.call(self._first + args, kwargs))) is not None:
            return cast(T, hit.value)
        return await self.aget(*args, **kwargs)

    @overload
    def __get__(self, owner: None, kind: type, /) -> "CachedCoroutine[P, T]": ...
    @overload
    def __get__(
        self: "CachedCoroutine[Concatenate[S, Q], T]", owner: S, kind: type | None = None, /
    ) -> "CachedCoroutine[Q, T]": ...
    def __get__(self, owner: Any, kind: Any = None, /) -> "CachedCoroutine[Any, T]":
        return self if owner is None else self._of(owner)


class _Decorator(Protocol):
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, T]], /
    ) -> CachedCoroutine[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, T], /) -> CachedFunction[P, T]: ...


def cached(
    *misplaced: Never,
    ttl: Duration,
    stale: Duration = 0,
    stale_if_error: Duration = 0,
    tags: Iterable[str] = (),
    depends_on: Iterable[type[Model] | str] = (),
    key: Key | None = None,
    ignore: Iterable[str] = (),
    near: bool = False,
    serializer: Format = "pickle",
    connection: str | None = None,
) -> _Decorator:
    """Keep the results of a function, a method or a coroutine function in Redis.

    ``ttl``: seconds for which a result is good. ``stale``: for so many seconds more it is served while one caller makes
    it anew behind the request. ``stale_if_error``: for so many it is served when the function raises. ``tags``: names
    under which results are invalidated together; ``{}`` takes from the arguments. ``depends_on``: models (or
    "app.Model") whose changes invalidate every result, when they commit, and rows ("app.Model:{pk}"). ``key``: what
    tells one call from another, a text with ``{}`` or a function of the arguments. ``ignore``: arguments that do not.
    ``near``: keep copies in the process, which a change anywhere removes, at the latest a second after the link to
    Redis was cut; a key that is deleted behind this library's back is no change. ``serializer``: "pickle", signed,
    gives back whatever it was given; "json" refuses what would come back changed. ``connection``: an alias of
    ``REDIS_PATTERNS``.

        @cached(ttl=300, tags=["books", "author:{author_id}"], depends_on=[Book])
        def top(author_id, limit=10): ...

    Guarantee: a cold result is made by one caller in the fleet (two, when its process dies or hangs), and one that was
    made from data of before an invalidation is never served once that has returned.
    """

    if misplaced:
        raise TypeError(f"@cached takes its options by name, @cached(ttl=300), and not {misplaced[0]!r}.")

    def decorate(function: Callable[..., Any]) -> Any:
        made = recipe(
            function,
            ttl=ttl,
            stale=stale,
            stale_if_error=stale_if_error,
            tags=(*texts(tags, "tags"), *depend(depends_on)),
            key=key,
            ignore=ignore,
            near=near,
            serializer=serializer,
            connection=connection,
        )
        return (CachedCoroutine if made.is_coroutine else CachedFunction)(made)

    return decorate


async def _all(io: IO, fetches: dict[str, Fetch]) -> dict[str, Any]:
    """Run fetches side by side: none waits for somebody else before those that are ours to make are made."""
    try:
        found = dict(zip(fetches, await io.gather(*(one.first(io) for one in fetches.values())), strict=True))
        ours = {name: mine for name, mine in found.items() if isinstance(mine, Mine)}
        together = frozenset(fetches[name].place for name in ours)
        for name in ours:
            fetches[name].together = together
        made = await io.gather(*(fetches[name].lead(io, mine) for name, mine in ours.items()))
    except BaseException:
        for one in fetches.values():
            one.give_back()
        raise
    results = {name: hit.value for name, hit in found.items() if isinstance(hit, Hit)}
    results |= dict(zip(ours, made, strict=True))
    for name in [name for name in fetches if name not in results]:
        results[name] = await fetches[name].run(io)
    return results
