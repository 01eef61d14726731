"""Write-through: the result of a function that writes is stored as what a cached function will return."""

import inspect
import logging
import secrets
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any

from django_redis_patterns.core import trace
from django_redis_patterns.core.commit import after_commit_of, open_databases
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.exceptions import RedisUnavailable, SerializationError

from . import leases, owed
from .invalidation import aforget, forget, send
from .near import dropping
from .place import Place
from .recipe import Call

if TYPE_CHECKING:
    from .cached import Cached

logger = logging.getLogger("django_redis_patterns.caching")


async def _claim(io: IO, call: Call, token: str) -> list[bytes]:
    """Take the lease from whoever has it, so that nobody's reading is stored; returns the nonces to store under."""
    answer = await leases.take(io.on(call.place.connection), call, token, is_forced=True)
    return list(answer.nonces) if isinstance(answer, leases.Mine) else []


async def _settle(io: IO, place: Place, token: str, data: bytes, life: int) -> bool:
    """Store *data* if nobody else has written meanwhile; else remove what is there. Returns whether it was stored.

    Of two who overlap nobody knows who was last in the database: neither of their results is kept.
    """
    io = io.on(place.connection)
    with dropping(place):
        try:
            is_stored = await leases.finish(io, place, token, data, life)
            if not is_stored:
                await leases.drop(io, place)
        except RedisUnavailable:
            owed.owe([place], forget)
            raise
    owed.paid([place])
    return is_stored


claim, aclaim = both(_claim)
settle, asettle = both(_settle)


class Through:
    """``@get_user.write_through("user_id")``: how *function*'s results get to the cached function's place."""

    def __init__(self, cached: "Cached[Any]", names: Iterable[str], function: Callable[..., Any]) -> None:
        self._cached, self._names = cached, tuple(names)
        self._signature = inspect.signature(function)
        for name in self._names:
            if name not in self._signature.parameters:
                raise TypeError(
                    f"write_through({name!r}): {function.__qualname__} has no such argument; "
                    f"it has {', '.join(self._signature.parameters) or 'none'}."
                )

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Return the call of the cached function whose result this call of the writing one will be."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return self._cached.call_of(*(bound.arguments[name] for name in self._names))

    def packed(self, call: Call, value: Any, nonces: list[bytes]) -> bytes | None:
        """Return what to store, None for what cannot be."""
        try:
            return call.codec.pack(value, nonces)
        except SerializationError as error:
            _untold(call, error)
            return None


def write_through(cached: "Cached[Any]", names: Iterable[str], function: Callable[..., Any]) -> Callable[..., Any]:
    """Return *function* as it runs with its result stored."""
    through = Through(cached, names, function)

    @wraps(function)
    def write(*args: Any, **kwargs: Any) -> Any:
        call, token = through.call(args, kwargs), secrets.token_urlsafe(12)
        nonces = _unless_away(call, claim, call, token)
        try:
            value = function(*args, **kwargs)
        except BaseException:
            _unless_away(call, send, call.place)
            raise
        data, open_on = None if nonces is None else through.packed(call, value, nonces), open_databases()
        if data is None or len(open_on) > 1:  # nobody knows with which of them it is written
            _unless_away(call, send, call.place)
        elif open_on:
            after_commit_of(open_on[0], settle, call.place, token, data, call.recipe.life)
        else:
            _unless_away(call, settle, call.place, token, data, call.recipe.life)
        return value

    @wraps(function)
    async def awrite(*args: Any, **kwargs: Any) -> Any:
        call, token = through.call(args, kwargs), secrets.token_urlsafe(12)
        nonces = await _aunless_away(call, aclaim, call, token)
        try:
            value = await function(*args, **kwargs)
        except BaseException:
            await _aunless_away(call, aforget, call.place)
            raise
        data = None if nonces is None else through.packed(call, value, nonces)
        if data is None:
            await _aunless_away(call, aforget, call.place)
        else:
            await _aunless_away(call, asettle, call.place, token, data, call.recipe.life)
        return value

    return awrite if inspect.iscoroutinefunction(function) else write


def _unless_away(call: Call, act: Callable[..., Any], *args: Any) -> Any:
    """What was written is written: that Redis is away is told by the log."""
    try:
        return act(*args)
    except RedisUnavailable as error:
        _untold(call, error)
        return None


async def _aunless_away(call: Call, act: Callable[..., Any], *args: Any) -> Any:
    try:
        return await act(*args)
    except RedisUnavailable as error:
        _untold(call, error)
        return None


def _untold(call: Call, error: Exception) -> None:
    trace.count("caching.not_written_through")
    logger.warning("What %s returns was written, and not stored: %s", call.recipe.name, error)
