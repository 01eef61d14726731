"""What a season report says, chapter by chapter."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from django.db.models import Avg, Count, F, Max, Min, QuerySet
from django.db.models.functions import TruncDate

from arcade.models import Play
from arcade.seasons import current

NOBODY = "Nobody has played yet."
PLAYER = F("player__username")


def field() -> str:
    """Return how many take part."""
    counts = _plays().aggregate(games=Count("pk"), players=Count("player", distinct=True))
    return f"{counts['players']} players, {counts['games']:,} games of Quick draw."


def podium() -> str:
    """Return who is in front."""
    return ", ".join(f"{place}. {row['name']} ({row['best']:,})" for place, row in enumerate(_best(3), 1)) or NOBODY


def busiest() -> str:
    """Return who plays most."""
    row = _plays().values(name=PLAYER).annotate(games=Count("pk")).order_by("-games", "name").first()
    return f"{row['name']} played {row['games']:,} games." if row else NOBODY


def best_day() -> str:
    """Return the day on which most was going on."""
    days = _plays().annotate(day=TruncDate("played_at")).values("day").annotate(games=Count("pk"))
    row = days.order_by("-games", "-day").first()
    return f"{row['games']:,} games on {row['day']:%A, %d %B}." if row else NOBODY


def usual() -> str:
    """Return what a game is worth."""
    points = _plays().aggregate(mean=Avg("points"), least=Min("points"), most=Max("points"))
    if points["mean"] is None:
        return NOBODY
    return f"{points['mean']:,.0f} points a game, from {points['least']:,} to {points['most']:,}."


def closest() -> str:
    """Return the neighbours on the board with the least between them."""
    gaps = [(upper["best"] - lower["best"], upper["name"], lower["name"]) for upper, lower in pairwise(_best(20))]
    gap, upper, lower = min(gaps, default=(0, "", ""))
    return f"{gap:,} point{'' if gap == 1 else 's'} between {upper} and {lower}." if upper else NOBODY


def newcomer() -> str:
    """Return who came last."""
    row = _plays().values(name=PLAYER).annotate(first=Min("played_at")).order_by("-first", "name").first()
    return f"{row['name']} is new since {row['first']:%d %B}." if row else NOBODY


def outlook() -> str:
    """Return what comes next."""
    return f"Season {current().number} is open. Anybody can win it."


CHAPTERS: dict[str, Callable[[], str]] = {
    "The field": field,
    "The podium": podium,
    "The busiest": busiest,
    "The best day": best_day,
    "The usual": usual,
    "The closest race": closest,
    "The newcomer": newcomer,
    "The outlook": outlook,
}


def _plays() -> QuerySet[Play]:
    began = current().began_at
    return Play.objects.filter(played_at__gte=began) if began else Play.objects.all()


def _best(count: int) -> list[dict[str, Any]]:
    best = _plays().values(name=PLAYER).annotate(best=Max("points")).order_by("-best", "name")
    return list(best[:count])
