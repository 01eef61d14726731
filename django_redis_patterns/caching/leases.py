"""What is said to Redis about a call: read it, take its lease, finish, overwrite. One trip each."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django_redis_patterns.conf import settings
from django_redis_patterns.core.connections.clients import is_cluster
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script

from .entry import Hit
from .place import Place, Tag, near_channel, process
from .recipe import Call

T = TypeVar("T")

LOOK = Script("look.lua", idempotent=True)
LEASE = Script("lease.lua", idempotent=True)
FINISH = Script("finish.lua", idempotent=True)
OVERWRITE = Script("overwrite.lua")
DROP = Script("overwrite.lua", idempotent=True)  # removed twice is removed once
NONCES = Script("nonces.lua", idempotent=True)
FORGET = Script("forget.lua", idempotent=True)
PROLONG = Script("prolong.lua", idempotent=True)

#: Tags in one command.
MOST_AT_ONCE = 500


@dataclass(slots=True)
class Seen:
    """What is stored, the nonces of its tags, and how long Redis will keep it (None: not asked)."""

    data: bytes | None
    nonces: Sequence[bytes | None]
    left: int | None


@dataclass(slots=True)
class Mine:
    """The lease is ours: the value is to be made, under these nonces."""

    nonces: Sequence[bytes]


@dataclass(slots=True)
class Busy:
    """Somebody has the lease, for *left* more seconds unless it is renewed."""

    left: float


async def look(io: IO, call: Call) -> Seen:
    """Read what is stored for *call*."""
    redis: Any = io.redis
    if not call.tags and not call.recipe.is_timed:
        return Seen(await redis.get(call.place.value), (), None)
    keys = [call.place.value, *(tag.key for tag in call.tags)]
    together = 1 if is_cluster(call.place.connection) else len(keys)  # in one slot
    looking = io.run(LOOK, keys[:together], []) if call.recipe.is_timed else redis.mget(keys[:together])
    first, *nonces = await io.gather(looking, *map(redis.get, keys[together:])) if keys[together:] else [await looking]
    found, left = first if call.recipe.is_timed else (first, None)
    return Seen(found[0], (*found[1:], *nonces), left)


def aged(call: Call, seen: Seen) -> tuple[Hit | None, int]:
    """Return what was seen, and by how many milliseconds it is over its time."""
    hit = None if seen.data is None else call.codec.unpack(seen.data, seen.nonces)
    if hit is None or seen.left is None:
        return hit, 0
    return hit, call.recipe.grace - max(seen.left, 0)


async def take(
    io: IO, call: Call, token: str, *, rejected: bytes = b"", is_forced: bool = False, channel: str = ""
) -> Seen | Mine | Busy:
    """Ask for the lease of *call*, and read the nonces of its tags, made where there are none.

    *rejected* is the beginning of a stored value that is no use; another one is what we get instead of the lease.
    ``is_forced``: take it from whoever has it. *channel* is told when it is free again.
    """
    # No more arguments: of who is not logged in a server reads ten words, and says why it reads no further.
    args = [token, lease_ms(), rejected, "!" if is_forced else channel]
    (kind, *rest), nonces = await io.gather(io.run(LEASE, call.place.keys, args), made_nonces(io, call))
    if kind == 1:
        return Seen(rest[0], nonces, rest[1])
    return Mine(nonces) if kind == 2 else Busy(max(rest[0], 0) / 1000)


async def made_nonces(io: IO, call: Call) -> list[bytes]:
    """Return the nonces of the tags of *call*, which from now on outlive its value."""
    args = [secrets.token_urlsafe(9), call.recipe.life + lease_ms()]
    groups = grouped(call.place.connection, call.tags)
    found = await io.gather(*(io.run(NONCES, [tag.key for tag in group], args) for group in groups))
    return [nonce for group in found for nonce in group]


async def finish(io: IO, place: Place, token: str, data: bytes, life: int) -> bool:
    """Store *data*, or nothing, and end the lease; those who wait are told. Returns whether it was still ours."""
    return bool(await io.run(FINISH, place.keys, [token, data, life, *_near(place)]))


async def put(io: IO, place: Place, data: bytes, life: int) -> None:
    """Store *data* over whatever is there or is on its way."""
    await io.run(OVERWRITE, place.keys, [data, life, *_near(place)])


async def drop(io: IO, place: Place) -> None:
    """Remove what is there, and refuse what is on its way."""
    await io.run(DROP, place.keys, ["", 0, *_near(place)])


async def drop_tags(io: IO, tags: Sequence[Tag]) -> None:
    """Make every value with one of *tags* useless. All of them are of one connection, and one slot on a cluster."""
    await io.run(FORGET, [tag.key for tag in tags], [near_channel(), *(_note(tag.near_name) for tag in tags)])


async def _give_back(io: IO, place: Place, token: str) -> bool:
    """End the lease of a call that came to nothing; the next who waits takes over. Returns whether it was ours."""
    return await finish(io.on(place.connection), place, token, b"", 1)


async def _prolong(io: IO, place: Place, token: str) -> bool:
    """Prolong the lease of a call that goes on. Returns whether it is still ours."""
    return bool(await io.on(place.connection).run(PROLONG, place.keys[1:2], [token, lease_ms()]))


give_back, agive_back = both(_give_back)
prolong, aprolong = both(_prolong)


def lease_ms() -> int:
    """Return for how long a lease is taken."""
    return round(settings().caching.lease * 1000)


def grouped(connection: str, things: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield those that one command may name."""
    size = 1 if is_cluster(connection) else MOST_AT_ONCE
    for start in range(0, len(things), size):
        yield things[start : start + size]


def _near(place: Place) -> list[Any]:
    return [near_channel(), _note(place.near_name)] if place.is_near else ["", ""]


def _note(name: str) -> str:
    return f"{process()}\n{name}"
