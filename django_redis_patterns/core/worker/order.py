"""One after another for each key: a job waits for the one before it, and does not run when that one has failed.

The feed learns of both at once, and puts them off. It hands out no more of that key before.
"""

from collections import deque
from collections.abc import Iterable

from .feed import Done, Job


class Order:
    """The keys of what one child has. Not for several threads: its feeder guards it."""

    def __init__(self) -> None:
        self._behind: dict[str, deque[Job]] = {}
        self._is_closing = False

    def admit(self, jobs: Iterable[Job]) -> list[Job]:
        """Return which of *jobs* may run now. The others wait."""
        now: list[Job] = []
        for job in jobs:
            if job.key in self._behind:
                self._behind[job.key].append(job)
            else:
                now.append(job)
                if job.key is not None:
                    self._behind[job.key] = deque()
        return now

    def ended(self, done: Done) -> tuple[list[Job], list[Job]]:
        """Return what may run after *done*, whose job has a key, and what may not any more."""
        key = done.job.key or ""
        if self._behind[key] and done.error is None and not self._is_closing:
            return [self._behind[key].popleft()], []
        return [], list(self._behind.pop(key))

    def close(self) -> None:
        """From now on nothing runs after another: what waits comes back when the one before it ends, not earlier."""
        self._is_closing = True
