"""Durations, as people write them."""

from datetime import timedelta
from typing import TypeAlias

Duration: TypeAlias = float | timedelta

YEAR = 366 * 24 * 3600.0


def seconds(value: object, what: str) -> float:
    """Return a duration in seconds. Raises TypeError and ValueError that name *what*."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what} is a number of seconds or a timedelta, not {value!r}.")
    if not 0 <= value <= 10 * YEAR:
        raise ValueError(f"{what} is from 0 seconds to ten years, not {value!r}.")
    return float(value)
