"""Days in a row."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta


def longest_streak(days: Iterable[date]) -> int:
    """Return the most of *days* that follow each other."""
    # Days in a row are all the same distance from their numbers.
    starts = Counter(day - timedelta(days=number) for number, day in enumerate(sorted(days)))
    return max(starts.values(), default=0)
