"""Who was denied a moment ago: asking Redis again would change nothing."""

import os
import threading
import time
from collections import OrderedDict
from typing import Any

from .decision import Decision

#: The most denials that a process remembers; the one asked for longest ago goes first.
MOST = 4096
#: Seconds for which a denial is remembered at most. A reset or a refund in another process is noticed within them.
LONGEST = 1.0


class Denials:
    """The denials of this process, for all of its threads and event loops.

    A denial changes nothing in Redis, so it stands until it frees, for this cost and for every higher one.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Know nothing. In a forked child the lock may be held by a thread that is not there."""
        self._lock = threading.Lock()
        self._denied: OrderedDict[Any, tuple[float, int, Decision]] = OrderedDict()

    def find(self, who: Any, cost: int) -> Decision | None:
        """Return the denial of *who*, as it is by now, if it holds for *cost*."""
        with self._lock:
            known = self._denied.get(who)
            if known is None or cost < known[1]:
                return None
            told, _, decision = known
            elapsed = time.monotonic() - told
            if elapsed >= min(decision.retry_after, LONGEST):
                del self._denied[who]
                return None
            self._denied.move_to_end(who)
        return decision.later(elapsed)

    def remember(self, who: Any, cost: int, decision: Decision) -> None:
        """Remember that *who* was denied *cost* just now."""
        with self._lock:
            self._denied[who] = (time.monotonic(), cost, decision)
            self._denied.move_to_end(who)
            if len(self._denied) > MOST:
                self._denied.popitem(last=False)

    def forget(self, who: Any) -> None:
        """Something was given back to *who*."""
        with self._lock:
            self._denied.pop(who, None)


denials = Denials()
os.register_at_fork(after_in_child=denials.begin)
