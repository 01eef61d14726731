"""How a queue is, and what happened in it minute by minute."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from django_redis_patterns.core.operations import IO

from .ids import made_at
from .keys import Place
from .moves import minute


class Stats(NamedTuple):
    """How many jobs are where. ``oldest``: seconds that the next one of priority 0 has waited; None if none waits, or
    if its id is the caller's own. ``live``: processes that may have jobs."""

    waiting: int
    later: int
    running: int
    suspects: int
    dead: int
    live: int
    oldest: float | None
    is_paused: bool


class Minute(NamedTuple):
    """What happened in one minute: pushed, ended well, failed and to be tried again, become dead letters, and ends that
    came too late to count; ``ran``: seconds for which jobs of workers ran."""

    at: datetime
    pushed: int
    done: int
    failed: int
    dead: int
    lost: int
    ran: float


async def read(io: IO, place: Place) -> Stats:
    """Read how a queue is, in one trip."""
    keys, redis = place.keys, io.redis
    looks: list[Any] = [
        redis.llen(keys.ready),
        redis.zcard(keys.ranked),
        redis.zcard(keys.later),
        redis.hlen(keys.running),
        redis.llen(keys.suspects),
        redis.zcard(keys.dead),
        redis.zcard(keys.live),
        redis.lindex(keys.ready, -1),
        redis.exists(keys.paused),
        redis.time(),
    ]
    ready, ranked, later, running, suspects, dead, live, first, paused, now = await io.gather(*looks)
    made = made_at(first.decode("utf-8", "replace")) if first else None
    oldest = None if made is None else max(0.0, int(now[0]) + int(now[1]) / 1e6 - made)
    return Stats(ready + ranked + suspects, later, running, suspects, dead, live, oldest, bool(paused))


async def history(io: IO, place: Place, minutes: int) -> list[Minute]:
    """Read what happened in the last *minutes*, the present one last."""
    last = minute()
    hours = range((last - minutes + 1) // 60, last // 60 + 1)
    looks: list[Any] = [io.redis.hgetall(place.stats(hour * 60)) for hour in hours]
    told: dict[bytes, bytes] = {}
    for found in await io.gather(*looks):
        told |= found
    return [_minute(number, told) for number in range(last - minutes + 1, last + 1)]


def _minute(number: int, told: dict[bytes, bytes]) -> Minute:
    def count(kind: bytes) -> int:
        return int(told.get(b"%d:%s" % (number, kind), 0))

    at = datetime.fromtimestamp(number * 60, UTC)
    return Minute(
        at, count(b"in"), count(b"done"), count(b"failed"), count(b"dead"), count(b"lost"), count(b"ms") / 1000
    )
