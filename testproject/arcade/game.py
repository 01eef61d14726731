"""The rules of Quick draw, without Django: what a game is, and which answers are possible at all.

The server deals the waits before each light and notes when. A browser can always lie, but only within what a person
could have done in the time that really passed.
"""

import random
import uuid
from dataclasses import dataclass
from typing import Any

ROUNDS = 5
FASTEST = 100  # ms from light to press; below it the player guessed
SLOWEST = 1000  # ms, later presses are misses and every hit is worth 1000 less its ms
WAITS = (700, 2000)  # ms of darkness before a light
LONGEST = 120  # s from the first coin to the last press
EARLY = 50  # ms by which a browser's timers may run ahead of the server's clock


class Implausible(Exception):
    """The answer cannot be true. The message is for the player."""


@dataclass(frozen=True)
class Start:
    """A game that was dealt: its id, the waits in ms, and when, in seconds since the epoch."""

    id: str
    waits: list[int]
    at: float


def deal(now: float) -> Start:
    """Return a new game that starts *now*."""
    return Start(str(uuid.uuid4()), [random.randint(*WAITS) for _ in range(ROUNDS)], now)


def score(times: list[int | None]) -> int:
    """Return the points of reaction times in ms; None is a round without a hit."""
    return sum(1000 - ms for ms in times if ms is not None)


def judge(start: Start, times: Any, now: float) -> list[int | None]:
    """Return *times* when a person can have done that between the start and *now*.

    Raises Implausible.
    """
    hits = _checked(times)
    elapsed = (now - start.at) * 1000
    needed = sum(wait + ms for wait, ms in zip(start.waits, hits, strict=True) if ms is not None)
    if needed > elapsed + EARLY:
        raise Implausible("That game was over before it can have been: the lights were not even on.")
    if elapsed > LONGEST * 1000:
        raise Implausible("The coin ran out: that game was started too long ago.")
    return hits


def _checked(times: Any) -> list[int | None]:
    if not isinstance(times, list) or len(times) != ROUNDS:
        raise Implausible(f"A game has {ROUNDS} rounds.")
    for ms in times:
        if ms is not None and type(ms) is not int:
            raise Implausible("A reaction is a whole number of milliseconds.")
        if ms is not None and ms < FASTEST:
            raise Implausible(f"{ms} ms? Nobody reacts within {FASTEST} milliseconds of a light.")
        if ms is not None and ms > SLOWEST:
            raise Implausible(f"A press after {SLOWEST} milliseconds is no hit.")
    if not any(times):
        raise Implausible("Not one hit: nothing to score.")
    return times
