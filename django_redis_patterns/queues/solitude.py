"""What may have killed its process twice runs alone: all feeds of a child share one of these."""

import threading
import time
from collections import Counter

#: Seconds without suspects after which a take may wait for something to take. A new child may be there because of one.
CALM = 10.0


class Solitude:
    """Who has how many jobs, and who wants to be alone. For the threads of all feeds."""

    def __init__(self, calm_in: float = CALM) -> None:
        self._changed = threading.Condition()
        self._busy: Counter[object] = Counter()
        self._alone: object = None
        self._has_suspect = False  # who is alone has got what it wanted to be alone with
        self._calm_from = time.monotonic() + calm_in

    @property
    def is_calm(self) -> bool:
        """Whether nobody has wanted to be alone for a while: so none waits for the end of somebody's take."""
        return time.monotonic() >= self._calm_from

    def enter(self, feed: object, wants_alone: bool, seconds: float) -> bool:
        """Begin to take, if that may be within *seconds*: `left` has to follow.

        Who wants to be alone waits until nobody has a job; meanwhile nobody else takes any.
        """
        with self._changed:
            if wants_alone:
                self._alone = self._alone or feed
                self._calm_from = time.monotonic() + CALM
            if not self._changed.wait_for(lambda: self._admits(feed), seconds):
                return False
            self._busy[feed] += 1
            return True

    def _admits(self, feed: object) -> bool:
        if self._alone is None:
            return True
        return self._alone is feed and not any(self._busy.values())

    def left(self, feed: object, taken: int, has_suspect: bool) -> None:
        """Note how many jobs a take has brought, and whether others have to wait for their end."""
        with self._changed:
            self._busy[feed] += taken - 1
            if self._alone is feed:
                self._has_suspect = has_suspect
                self._alone = feed if has_suspect else None
            self._changed.notify_all()

    def ended(self, feed: object, count: int) -> None:
        """Note that the ends of jobs are recorded."""
        with self._changed:
            self._busy[feed] -= count
            if self._alone is feed and self._has_suspect and not self._busy[feed]:
                self._alone, self._has_suspect = None, False
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Wait, or come back earlier."""
        with self._changed:
            self._changed.wait(seconds)
