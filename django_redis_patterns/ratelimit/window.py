"""What one socket was admitted lately: a flood is turned away here, and Redis hears nothing of it."""

import time
from collections import deque

from .rate import Rate

SLICES = 16


class Window:
    """Counts in slices of the window, and only those that lie inside of it whole: it never says more than was admitted.

    So what does not fit here does not fit in Redis, which counts the client's other sockets too. Bounded memory.
    """

    __slots__ = ("_rate", "_slices", "_width")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._width = rate.period / SLICES
        self._slices: deque[tuple[int, int]] = deque()

    def retry_after(self, cost: int) -> float:
        """Return after how many seconds *cost* may fit; 0.0 when it may now."""
        now = time.monotonic()
        while self._slices and self._slices[0][0] <= int(now / self._width) - SLICES:
            self._slices.popleft()
        if sum(count for _, count in self._slices) + cost <= self._rate.limit:
            return 0.0
        first = self._slices[0][0] if self._slices else int(now / self._width)
        return (first + SLICES) * self._width - now

    def add(self, cost: int) -> None:
        """Count *cost*."""
        number = int(time.monotonic() / self._width)
        before = self._slices.pop()[1] if self._slices and self._slices[-1][0] == number else 0
        self._slices.append((number, before + cost))
