"""Says how much was admitted at worst. It knows times and costs, and nothing of how a limiter works."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class Admission(NamedTuple):
    """When Redis admitted something, by its own clock in microseconds, and what it cost."""

    at: int
    cost: int


def stamp(decision: Any) -> int:
    """Return when Redis admitted it."""
    return int(decision.receipt._charged[0].args[0].split()[2])


def busiest(admissions: Sequence[Admission], window: int) -> int:
    """Return the highest cost in any stretch of *window* microseconds; its first moment is in it, its last is not."""
    most, inside, first = 0, 0, 0
    ordered = sorted(admissions)
    for last in ordered:
        inside += last.cost
        while ordered[first].at <= last.at - window:
            inside -= ordered[first].cost
            first += 1
        most = max(most, inside)
    return most


def fullest(admissions: Sequence[Admission], window: int) -> int:
    """Return the highest cost between two multiples of *window*."""
    sums: dict[int, int] = {}
    for at, cost in admissions:
        sums[at // window] = sums.get(at // window, 0) + cost
    return max(sums.values(), default=0)


def burst(admissions: Sequence[Admission], limit: int, window: int) -> int:
    """Return the highest cost in any stretch, of any length, beyond what drains in it: units times *window*."""
    most, level, before = 0, 0, 0
    for at, cost in sorted(admissions):
        level = max(level - (at - before) * limit, 0) + cost * window
        most, before = max(most, level), at
    return most
