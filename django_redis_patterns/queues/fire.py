"""Jobs that come at certain moments, once, whoever puts them in."""

from datetime import datetime

from django_redis_patterns.core.keys import key
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script

from .ids import new_id
from .keys import ROOM, Place

FIRE = Script("fire.lua", idempotent=True)


async def _fire(io: IO, place: Place, name: str, moment: datetime, is_past: bool, record: bytes) -> bool:
    """Put *record* into the queue at *place*, due at *moment*, unless that is done for *name*; returns whether it was.

    Moments of a name go forward only. A name that Redis does not know begins with one that is to come.
    """
    keys = place.keys
    own = [keys.jobs, keys.later, keys.wake, key(ROOM, place.name, "fired")]
    args = [name, round(moment.timestamp() * 1000), int(is_past), new_id(), record]
    return bool(await io.on(place.connection).run(FIRE, keys=own, args=args))


fire = both(_fire)[0]
