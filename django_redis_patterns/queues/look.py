"""One job, wherever it is; and how one waits for its end."""

import time
from dataclasses import dataclass

from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script

from .keys import Place
from .post import channel, post

LOOK = Script("look.lua", idempotent=True)
#: Seconds after which who waits looks, though it has heard nothing.
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Found:
    """What Redis has of a job; None for what there is not."""

    record: bytes | None
    past: bytes | None
    kills: bytes | None
    claim: bytes | None
    died_ms: bytes | None
    reason: bytes | None
    result: bytes | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it: it has ended, or there is none."""
        return self.record is None or self.died_ms is not None


async def _look(io: IO, place: Place, id: str, tell: str = "") -> Found:
    """Return what there is of a job; its end is told on the channel *tell*."""
    keys = place.keys
    own = [keys.jobs, keys.running, keys.kills, keys.past, keys.dead, keys.reasons, keys.waits]
    reply = await io.on(place.connection).run(LOOK, keys=[*own, *place.results([id])], args=[id, tell])
    return Found(*reply)


async def _wait_for_end(io: IO, place: Place, id: str, seconds: float) -> Found:
    """Wait until a job has ended, at most *seconds*; returns what there is of it then. One subscription a process."""
    until = time.monotonic() + seconds
    await io.expect_to_wait(seconds)
    io = io.on(place.connection)
    mine = post(place.connection, await io.primary(place.keys.jobs))
    if not mine.is_open:
        await mine.open(io)
    with mine.expecting(id) as bell:
        while not (found := await _look(io, place, id, channel())).is_over:
            left = until - time.monotonic()
            if left <= 0:
                break
            await io.wait(bell, min(left, PATIENCE))
    return found


look, alook = both(_look)
wait_for_end, await_end = both(_wait_for_end)
