"""Who has the lease calls the function, and stores what it returns."""

import logging
import secrets
from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

from django_redis_patterns.core import trace
from django_redis_patterns.core.operations import IO
from django_redis_patterns.exceptions import RedisPatternsError, SerializationError, ValueTooLarge

from . import leases
from .background import later
from .copies import Fill
from .entry import Hit
from .keeper import kept
from .leases import Mine
from .near import dropping
from .place import Place
from .recent import Recent
from .recipe import Call
from .under_way import is_under_way, within

logger = logging.getLogger("django_redis_patterns.caching")

_failed, _too_large = Recent(), Recent(10)


class Making:
    """One call of a function, on its way to Redis."""

    _owes = False  # a lease may be ours
    _rescue: Hit | None = None  # what `stale_if_error` may serve
    _fill: Fill | None = None
    together: frozenset[Place] = frozenset()  # what is stored not before all of it is made

    def __init__(self, call: Call) -> None:
        self._call = call
        self._tally = call.recipe.tally

    @property
    def place(self) -> Place:
        """Where the result goes."""
        return self._call.place

    @cached_property
    def _token(self) -> str:
        return secrets.token_urlsafe(12)

    async def lead(self, io: IO, mine: Mine | None) -> Any:
        """Call the function, and store what it returns if the lease is ours until the end."""
        if mine is None:
            return await self._make(io)
        try:
            return await self._led(io, mine)
        except BaseException:  # a signal, a cancelled task: nothing can be waited for any more
            self.give_back()
            raise

    def give_back(self) -> None:
        """Give back, behind everybody's back, a lease that may be ours."""
        if self._owes:
            self._owes = False
            later(partial(leases.give_back, self._call.place, self._token))

    async def _make(self, io: IO) -> Any:
        self._tally.count("calls")
        try:
            function = within(self.together | {self.place}, self._call.recipe.function)
            return await io.call(function, *self._call.args, **self._call.kwargs)
        except Exception:
            self._tally.count("errors")
            raise

    async def _led(self, io: IO, mine: Mine) -> Any:
        try:
            with kept(self._call.place, self._token):
                value = await self._make(io)
                data = self._packed(value, mine.nonces)  # a QuerySet asks the database now
        except Exception as error:
            rescue = None if isinstance(error, SerializationError) else self._rescued(error)
            await self._finish(io, b"")
            if rescue is None:
                raise
            return rescue.value
        with dropping(self._call.place, self._fill):
            is_stored = await self._finish(io, data)
        if is_stored and data and self._fill:
            self._fill.offer(value, self._call.recipe.ttl)
        if data and not is_stored:
            self._tally.count("refused")
        return value

    def _packed(self, value: Any, nonces: Sequence[bytes]) -> bytes:
        try:
            return self._call.codec.pack(value, nonces)
        except ValueTooLarge as error:
            _too_large.note(self._call.place.name)
            trace.count("caching.too_large")
            logger.warning("A value of %s is not stored: %s", self._call.recipe.name, error)
            return b""

    async def _finish(self, io: IO, data: bytes) -> bool:
        """End the lease, with a value or without; an outage at this point is nobody's trouble."""
        finishing = leases.finish(io, self._call.place, self._token, data, self._call.recipe.life)
        try:
            stored, _ = await io.gather(finishing, self._tally.tell(io))
        except RedisPatternsError:
            trace.count("caching.not_stored")
            stored = False
        self._owes = False
        return bool(stored)

    def _rescued(self, error: Exception) -> Hit | None:
        """Return the old value that may be served instead; those who wait are served it too."""
        if self._rescue is None:
            return None
        _failed.note(self._call.place.name)
        self._tally.count("rescued")
        logger.warning("An old value of %s is served, as the call failed: %r", self._call.recipe.name, error)
        return self._rescue

    @property
    def _has_failed(self) -> bool:
        """Whether the call failed a moment ago, and an old value was served instead."""
        return self._call.place.name in _failed

    @property
    def _is_alone(self) -> bool:
        """Whether nobody's result is to be waited for: it was too large to be stored, or would be our own."""
        return self._call.place.name in _too_large or is_under_way(self._call.place)
