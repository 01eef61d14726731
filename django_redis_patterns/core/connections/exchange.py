"""What is sent again, and when: our retry policy, without reading or writing.

Sent again is what provably did not run, and what may run twice. Nothing else: its error says that its outcome is
unknown. All attempts of a call start within half a second, so it ends within the budget of its alias.
"""

import random
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import MaxConnectionsError

from . import errors
from .breaker import breaker
from .clients import patience
from .command import Command
from .options import RETRY_WINDOW

#: The longest pauses before the second and the third attempt, in seconds; the pause is drawn from 0 up to it.
PAUSES = (0.02, 0.1)
#: Seconds between two looks at a pool that has no connection left.
QUEUE_LOOK = (0.001, 0.005)


@dataclass
class Turn:
    """What to send now, after *pause* seconds; ``renew``: the idle connections lead to the wrong server."""

    commands: Sequence[Command]
    pause: float = 0
    renew: bool = False


Exchange = Generator[Turn, list[Any], list[Any]]


def again(commands: Sequence[Command], replies: list[Any], started: float) -> Exchange:
    """Yield what is to be sent once more; is sent the replies to that. Returns all replies, errors in their places.

    *replies* are those of the first attempt, which began when the monotonic clock was at *started*.
    """
    alias = commands[0].alias
    gate, queue, pauses = breaker(alias), patience(alias), list(PAUSES)
    while todo := _todo(commands, replies, time.monotonic() - started, queue, pauses):
        turn, places = todo
        for place, reply in zip(places, (yield turn), strict=True):
            replies[place] = reply
    silence = next((r for r in replies if isinstance(r, Exception) and errors.is_silence(r)), None)
    if silence is None:
        gate.answered()
    elif all(isinstance(reply, Exception) for reply in replies):
        gate.silent(silence)
    return [errors.named(reply, alias) if isinstance(reply, Exception) else reply for reply in replies]


def _todo(
    commands: Sequence[Command], replies: list[Any], elapsed: float, queue: float, pauses: list[float]
) -> tuple[Turn, list[int]] | None:
    """Return what to send again, and where it stands; None when all is said.

    *queue* is how many seconds to wait for a connection when all of the pool's are in use.
    """
    queued = [place for place, reply in enumerate(replies) if isinstance(reply, MaxConnectionsError)]
    if queued and elapsed < queue:
        return Turn([commands[place] for place in queued], random.uniform(*QUEUE_LOOK)), queued
    places = [place for place, reply in enumerate(replies) if _may_go_again(commands[place], reply)]
    if not places or not pauses or elapsed + pauses[0] > RETRY_WINDOW:
        return None
    renew = any(errors.is_stale(replies[place]) for place in places)
    return Turn([commands[place] for place in places], random.uniform(0, pauses.pop(0)), renew), places


def _may_go_again(command: Command, reply: Any) -> bool:
    if not isinstance(reply, Exception) or not errors.is_lost(reply):
        return False
    return errors.never_ran(reply) or command.is_repeatable
