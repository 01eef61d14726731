"""How long to wait before the next attempt."""

import random
from collections.abc import Callable
from dataclasses import dataclass

#: Is given the error and how many attempts have failed (1 after the first); returns seconds, or None to give up.
Backoff = Callable[[BaseException, int], float | None]


@dataclass(frozen=True)
class exponential:  # noqa: N801  it is used like a function
    """Wait *first* seconds, then twice as long each time, at most *max*.

        @orders.consumer(group="mailers", backoff=exponential(2, max=600))

    A random part of up to a half is taken off, so that what failed together does not come back together.
    """

    first: float
    max: float = 600.0

    def __post_init__(self) -> None:
        if not all(isinstance(seconds, int | float) for seconds in (self.first, self.max)):
            raise TypeError(f"exponential({self.first!r}, max={self.max!r}): write numbers of seconds.")
        if not 0 < self.first <= self.max:
            raise ValueError(f"exponential({self.first}, max={self.max}): write 0 < first <= max, in seconds.")

    def __call__(self, error: BaseException, attempt: int) -> float:
        """Return the seconds to wait after *attempt* failed."""
        return self.after(attempt)

    def after(self, attempt: int) -> float:
        """Return the seconds to wait after so many failures."""
        longest = min(self.max, self.first * 2.0 ** min(attempt - 1, 64))
        return random.uniform(longest / 2, longest)
