"""Time that goes on while the machine sleeps: what a lease is measured by on this side."""

import time
from datetime import timedelta

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # monotonic() stands still in a suspend
#: Of a lease, what this side does not count on, for clocks that run at different speeds (Redlock's drift).
DRIFT, DRIFT_SECONDS = 0.01, 0.002


def now() -> float:
    """Return seconds since some moment in the past, whatever the wall clock is set to."""
    return time.clock_gettime(_CLOCK)


def counted_on(ttl: float) -> float:
    """Return how long a lease of *ttl* seconds may be relied on."""
    return ttl * (1 - DRIFT) - DRIFT_SECONDS


def seconds(value: object, what: str, *, least: float = 0) -> float:
    """Return a duration in seconds. Raises TypeError and ValueError that name *what*."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what} is a number of seconds or a timedelta, not {value!r}.")
    if not least <= value < float("inf"):
        raise ValueError(f"{what} is at least {least:g} seconds, and not for ever: {value!r}.")
    return float(value)
