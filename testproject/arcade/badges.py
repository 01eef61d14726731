"""Which badges a game earns, and the bug of release 1 that a game without a hit brings to light."""

import os
from dataclasses import dataclass

#: The release of the site that this process runs, which the demo chooses for those that give badges.
RELEASE = int(os.environ.get("ARCADE_RELEASE", "2"))
SHARP, REGULAR, CLIMB = 3800, 10, 3


@dataclass(frozen=True)
class Form:
    """What a player has done so far. ``rising``: how many games in a row were each better than the one before."""

    games: int = 0
    best: int = 0
    last: int = 0
    rising: int = 0

    def after(self, points: int) -> "Form":
        """Return the form after a game of *points*."""
        rising = self.rising + 1 if self.games and points > self.last else 1
        return Form(self.games + 1, max(self.best, points), points, rising)


def earned(before: Form, points: int, release: int = RELEASE) -> list[str]:
    """Return the badges that a game of *points* is good for, had already or not."""
    after = before.after(points)
    rules = {
        "First coin": after.games == 1,
        "Sharpshooter": points >= SHARP,
        "Regular": after.games >= REGULAR,
        "On the rise": after.rising >= CLIMB,
        "Off day": is_off_day(after.best, points, release),
    }
    return [badge for badge, is_earned in rules.items() if is_earned]


def is_off_day(best: int, points: int, release: int) -> bool:
    """Return whether *points* are less than half of the *best*. Release 1 divides, by nothing if need be."""
    return best / points > 2 if release == 1 else best > 2 * points
