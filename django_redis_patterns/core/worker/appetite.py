"""How many jobs to take ahead of free threads: none when they are long, many when they are short."""

#: Seconds of work that may lie in front of each thread.
HORIZON = 0.05
#: How much of the mean each new job is.
WEIGHT = 0.1


class Appetite:
    """Learns from how long jobs take. Starts modest, and is so again after each long one."""

    def __init__(self, concurrency: int, most: int) -> None:
        self._concurrency, self._most = concurrency, most
        self._mean = 2 * HORIZON
        self.ahead = 0  #: jobs to take ahead

    def learn(self, seconds: float) -> None:
        """Note how long a job took."""
        self._mean = 2 * HORIZON if seconds > HORIZON else self._mean + WEIGHT * (seconds - self._mean)
        self.ahead = min(self._most, int(HORIZON / (self._mean + 1e-6)) * self._concurrency)
