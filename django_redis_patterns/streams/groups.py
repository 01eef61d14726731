"""What keeps a group going: making it, telling that it lives, and taking back what the dead had."""

import logging
from collections.abc import Sequence
from typing import cast

from django_redis_patterns.core import trace
from django_redis_patterns.core.operations import IO
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.signals import events_trimmed

from .keys import Keys

ENROLL = Script("enroll.lua", idempotent=True)
TEND = Script("tend.lua", idempotent=True)

logger = logging.getLogger("django_redis_patterns.streams")


async def enroll(io: IO, keys: Keys, group: str, start: str, known: str) -> bool:
    """Make *group* if it is not there: at its checkpoint, else the *known* one, else at *start*; was it made?"""
    mine = keys.of(group)
    places = [keys.log, keys.checkpoints, keys.seen, mine.due, mine.tries, mine.lanes, mine.stirred]
    return bool(await io.run(ENROLL, keys=places, args=[group, start, known]))


async def tend(
    io: IO,
    keys: Keys,
    group: str,
    *,
    consumer: str = "",
    takes_over: bool = False,
    ordered: bool = True,
    dead: Sequence[str] = (),
) -> str:
    """Say that *group* is there, and make due what dead consumers had; returns its checkpoint, "" if there is no group.

    Dead is who is in *dead*, who was released, and with *takes_over* whose lease has run out; never *consumer* itself.
    """
    mine = keys.of(group)
    of_stream = [keys.log, keys.live, keys.seen, keys.checkpoints]
    places = [*of_stream, mine.due, mine.lanes, mine.stirred, mine.wake, mine.tries]
    args = [group, consumer, int(takes_over), int(ordered), *dead]
    checkpoint, *gone = await io.run(TEND, keys=places, args=args)
    tell_trimmed(keys.name, group, gone)
    return cast(bytes, checkpoint).decode()


def tell_trimmed(stream: str, group: str, ids: Sequence[bytes]) -> None:
    """Tell of events that left the log before the group could run them: they are lost to it, and acknowledged."""
    if not ids:
        return
    trace.count("streams.trimmed_unread", len(ids))
    names = [id.decode() for id in ids]
    logger.error("%s/%s lost %d event(s), trimmed before they were run: %s", stream, group, len(ids), ", ".join(names))
    events_trimmed.send_robust(None, stream=stream, group=group, ids=names)
