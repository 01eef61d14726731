"""The picture of a record that only rises: a stair through time, drawn in a box of 1000 by 300."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH, HEIGHT, MARGIN = 1000, 300, 24


@dataclass(frozen=True)
class Stairs:
    """``line``: an SVG path along the steps. ``area``: the same, closed below. ``steps``: where each one begins."""

    line: str
    area: str
    steps: list[tuple[float, float]]

    @property
    def percent(self) -> list[tuple[float, float]]:
        """The steps in percent of the box."""
        return [(round(x / WIDTH * 100, 2), round(y / HEIGHT * 100, 2)) for x, y in self.steps]


def stairs(points: Sequence[tuple[datetime, int]], until: datetime) -> Stairs | None:
    """Return the stair of records, given by when and how many points, the oldest first; None when there are none."""
    if not points:
        return None
    began, low, high = points[0][0], points[0][1], points[-1][1]
    seconds = (until - began).total_seconds() or 1
    steps = [
        (
            round((at - began).total_seconds() / seconds * WIDTH, 1),
            round(HEIGHT - MARGIN - (number - low) / ((high - low) or 1) * (HEIGHT - 3 * MARGIN), 1),
        )
        for at, number in points
    ]
    line = f"M0 {steps[0][1]}" + "".join(f"H{x}V{y}" for x, y in steps) + f"H{WIDTH}"
    return Stairs(line, f"{line}V{HEIGHT}H0Z", steps)
