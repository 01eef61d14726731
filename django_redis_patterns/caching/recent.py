"""What happened a moment ago in this process."""

import time
from collections import OrderedDict


class Recent:
    """Remembers names for *seconds*, at most *most* of them."""

    def __init__(self, seconds: float = 1.0, most: int = 10_000) -> None:
        self._seconds, self._most = seconds, most
        self._until: OrderedDict[str, float] = OrderedDict()

    def note(self, name: str) -> None:
        """It happens now."""
        self._until[name] = time.monotonic() + self._seconds
        while len(self._until) > self._most:
            self._until.popitem(last=False)

    def __contains__(self, name: str) -> bool:
        return self._until.get(name, 0.0) > time.monotonic()
