"""How long a handler takes, and so how many events may share one job."""

#: Seconds that a job of several events may take, and events that it may have.
BUDGET, MOST_TOGETHER = 0.005, 64
#: Weight of the newest job in the average.
WEIGHT = 0.2


class Pace:
    """An average of seconds an event. A hint: threads may write it at the same time."""

    def __init__(self) -> None:
        self._seconds = BUDGET

    @property
    def together(self) -> int:
        """How many events one job may have: those of handlers that are no longer than handing them over."""
        return max(1, min(int(BUDGET / max(self._seconds, 1e-6)), MOST_TOGETHER))

    def took(self, seconds: float, events: int) -> None:
        """Note that a job has taken so long."""
        self._seconds += WEIGHT * (seconds / events - self._seconds)
