"""Scores: numbers that a double holds exactly, in and out."""

from decimal import Decimal
from math import isfinite
from typing import Any, TypeAlias

from django_redis_patterns.exceptions import InexactScore

Score: TypeAlias = int | float
MOST = 2**53


def exact(score: Any) -> Score:
    """Return *score* as the number to store, -0.0 as 0.

    Raises `InexactScore` for what Redis would round (beyond ±2**53, a Decimal with too many digits), for NaN and
    infinity and for a bool; TypeError for what is no number.
    """
    if isinstance(score, bool):
        raise InexactScore(f"A score is a number, not {score!r}: write {int(score)}.")
    if not isinstance(score, int | float | Decimal):
        raise TypeError(f"A score is an int, a float or a Decimal, not {score!r}.")
    if not _is_finite(score):
        raise InexactScore(f"{score!r} has no place on a board: leave such a member out, or remove it.")
    if not -MOST <= score <= MOST:
        raise InexactScore(
            f"{score!r} is beyond ±2**53, where Redis rounds: keep a smaller unit (thousands, seconds), or keep the "
            "exact number in the database and a smaller one here."
        )
    if isinstance(score, int):
        return int(score)
    return (_double(score) if isinstance(score, Decimal) else float(score)) + 0.0


def parsed(text: bytes | float) -> Score:
    """Return a score that Redis sent: an int when it is whole."""
    score = float(text)
    return int(score) if score.is_integer() else score


def _is_finite(score: int | float | Decimal) -> bool:
    if isinstance(score, Decimal):
        return score.is_finite()
    return isinstance(score, int) or isfinite(score)


def _double(score: Decimal) -> float:
    double = float(score)
    if Decimal(repr(double)) != score:
        raise InexactScore(f"{score} has more digits than a double holds: quantize() it, or count in smaller units.")
    return double
