"""What a board answers: rows with ranks, and what a write changed."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from .scores import Score, parsed
from .windows import Window

Ties: TypeAlias = Literal["ordinal", "competition", "dense"]
Mode: TypeAlias = Literal["set", "best", "sum", "remove"]
Stored: TypeAlias = tuple[bytes, Score]
Row: TypeAlias = tuple[str, Score]
Ranked: TypeAlias = tuple[int, str, Score]
_NOWHERE: Mapping[str, "Change"] = MappingProxyType({})


class Entry(NamedTuple):
    """One row of a board. ``rank`` counts from 1; ``obj`` is the member: text, or the model instance."""

    rank: int
    score: Score
    obj: Any


class Change(NamedTuple):
    """What a write changed; None stands for "not on the board". ``windows``: the same for each window by name."""

    old_rank: int | None
    new_rank: int | None
    score: Score | None
    old_score: Score | None = None
    windows: Mapping[str, "Change"] = _NOWHERE


class Put(NamedTuple):
    """One write of one member in one window.

    "set" takes the score, "best" keeps the better, "sum" adds, "remove" removes. ``stamp``: when the score was
    reached, in microseconds since 1970, for ``tiebreak="first"``; None is now, by the clock of Redis.
    """

    window: Window
    member: str
    mode: Mode
    score: Score = 0
    stamp: int | None = None


def ranked(rows: Iterable[Row], ties: Ties, place: int = 1, rank: int = 1) -> list[Ranked]:
    """Return the ranks of rows in the board's order, given place and rank of the first."""
    found: list[Ranked] = []
    before = None
    for here, (text, score) in enumerate(rows, place):
        if before is not None and (score != before or ties == "ordinal"):
            rank = rank + 1 if ties == "dense" else here
        found.append((rank, text, score))
        before = score
    return found


def pairs(flat: Sequence[bytes]) -> list[Stored]:
    """Return the rows of an alternating list of stored names and scores."""
    return [(stored, parsed(score)) for stored, score in zip(flat[::2], flat[1::2], strict=True)]


def changes(reply: Sequence[Any]) -> list[Change | None]:
    """Return what write.lua tells of each put, None for a dropped one."""
    return [
        None if old_rank == -1 else Change(old_rank, new_rank, score and parsed(score), old and parsed(old))
        for old_rank, new_rank, old, score in zip(*(reply[i::4] for i in range(4)), strict=True)
    ]
