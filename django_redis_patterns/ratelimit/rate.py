"""How much in how long: ``"100/m"``, ``"5/15m"``, read strictly."""

import re
from dataclasses import dataclass

#: The most that a rate may admit, and the longest period in seconds. Below them all arithmetic is exact.
MOST = 10**9
LONGEST = 366 * 86400
_SECONDS = {
    **dict.fromkeys(("s", "sec", "second"), 1),
    **dict.fromkeys(("m", "min", "minute"), 60),
    **dict.fromkeys(("h", "hour"), 3600),
    **dict.fromkeys(("d", "day"), 86400),
    **dict.fromkeys(("w", "week"), 604800),
}
_TEXT = re.compile(r"([0-9]{1,12})/([0-9]{0,9})([a-z]+)\Z", re.ASCII)
_HINTS = {"month": "a month has no fixed length: write 30d", "year": "write 365d"}


@dataclass(frozen=True)
class Rate:
    """``limit`` in every ``period`` seconds. Raises ValueError for what no limiter can keep."""

    limit: int
    period: int

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MOST:
            raise ValueError(f"A rate admits from 1 to {MOST}, not {self.limit}.")
        if not 1 <= self.period <= LONGEST:
            raise ValueError(f"The period of a rate is from 1 second to 366 days, not {self.period} seconds.")

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Return the rate that *text* says: ``N/UNIT`` or ``N/kUNIT``, in whole numbers and nothing beside them.

        Units are s, sec, second, m, min, minute, h, hour, d, day, w, week. Raises ValueError for anything else.
        """
        found = _TEXT.match(str(text))
        if found is None or found[3] not in _SECONDS:
            hint = _HINTS.get(found[3], "") if found else ""
            raise ValueError(f'{text!r} is no rate: write "100/m", "5/15m", "1000/d"{hint and f"; {hint}"}.')
        try:
            return cls(int(found[1]), int(found[2] or 1) * _SECONDS[found[3]])
        except ValueError as error:
            raise ValueError(f"{text!r} is no rate: {error}") from None

    def __str__(self) -> str:
        unit, seconds = next(pair for pair in _LARGEST_FIRST if self.period % pair[1] == 0)
        count = self.period // seconds
        return f"{self.limit}/{'' if count == 1 else count}{unit}"


_LARGEST_FIRST = sorted(((unit, _SECONDS[unit]) for unit in "smhdw"), key=lambda pair: -pair[1])
