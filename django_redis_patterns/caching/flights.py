"""Calls while Redis is away: one at a time of each in this process, whose result those have who came meanwhile."""

import os
from dataclasses import dataclass, field
from typing import Any

from django_redis_patterns.conf import settings
from django_redis_patterns.core.bell import Bell
from django_redis_patterns.core.operations import IO
from django_redis_patterns.exceptions import SerializationError

from .recipe import Call
from .under_way import is_under_way, within


@dataclass(eq=False)
class Flight:
    """A call under way, and those who wait for it."""

    bells: list[Bell] = field(default_factory=list)
    data: bytes | None = None  # each has a copy of its own, as from Redis


_flights: dict[str, Flight] = {}


async def alone(io: IO, call: Call) -> Any:
    """Return what the function returns, called once in this process for all who ask at the same time."""
    if is_under_way(call.place):
        return await _called(io, call)
    flight = Flight()
    under_way = _flights.setdefault(call.place.name, flight)
    if under_way is flight:
        return await _fly(io, call, flight)
    under_way.bells.append(bell := Bell())
    has_landed = _flights.get(call.place.name) is not under_way  # then nobody will ring
    if not has_landed and not await io.wait(bell, settings().caching.wait):
        return await _called(io, call)
    hit = call.codec.unpack(under_way.data, ()) if under_way.data else None
    return hit.value if hit is not None else await alone(io, call)


async def _fly(io: IO, call: Call, flight: Flight) -> Any:
    try:
        value = await _called(io, call)
        flight.data = _copy(call, value)
        return value
    finally:
        _flights.pop(call.place.name, None)
        for bell in flight.bells:
            bell.ring()


async def _called(io: IO, call: Call) -> Any:
    return await io.call(within(frozenset((call.place,)), call.recipe.function), *call.args, **call.kwargs)


def _copy(call: Call, value: Any) -> bytes | None:
    try:
        return call.codec.pack(value, ())
    except SerializationError:
        return None


os.register_at_fork(after_in_child=_flights.clear)
