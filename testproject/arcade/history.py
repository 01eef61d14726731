"""What can be counted from all games ever played. Nothing of it is kept in SQL, so it is counted anew each time."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Exists, F, OuterRef, Window
from django.db.models.functions import Rank, TruncDate

from arcade.models import Play
from arcade.streaks import longest_streak

BEST = 8

# Every game against every game of everybody else: with a thousand games, a million pairs.
DUELS = """
    SELECT mine.player_id, theirs.player_id,
           SUM(CASE WHEN mine.points > theirs.points THEN 1 ELSE 0 END), COUNT(*)
    FROM arcade_play AS mine JOIN arcade_play AS theirs ON theirs.player_id <> mine.player_id
    GROUP BY mine.player_id, theirs.player_id
"""


@dataclass(frozen=True)
class Record:
    """The best game of its time; ``gain`` is by how much it beat the one before."""

    name: str
    points: int
    at: datetime
    gain: int


@dataclass(frozen=True)
class Duellist:
    """How many of all duels a player won, and against whom they look worst."""

    name: str
    won: int
    of: int
    nemesis: str

    @property
    def percent(self) -> float:
        """The share that was won."""
        return 100 * self.won / self.of


@dataclass(frozen=True)
class Champion:
    """On how many days a player was the best of the day, and how many of them in a row."""

    name: str
    days: int
    streak: int


def records() -> list[Record]:
    """Return every game that was better than all before it, the newest first."""
    before = Play.objects.filter(played_at__lt=OuterRef("played_at"), points__gte=OuterRef("points"))
    rows = Play.objects.filter(~Exists(before)).order_by("played_at", "points")
    found = list(rows.values_list("player__username", "points", "played_at"))
    gains = [0, *(after[1] - earlier[1] for earlier, after in pairwise(found))]
    return [Record(*row, gain) for row, gain in zip(found, gains, strict=True)][::-1]


def duels() -> tuple[list[Duellist], int]:
    """Return those who win most of their duels, and how many duels there were."""
    with connection.cursor() as cursor:
        cursor.execute(DUELS)
        rows = cursor.fetchall()
    against: dict[int, dict[int, tuple[int, int]]] = defaultdict(dict)
    for player, other, won, of in rows:
        against[player][other] = (won, of)
    names = dict(User.objects.filter(pk__in=against).values_list("pk", "username"))
    found = [_duellist(names[player], others, names) for player, others in against.items()]
    return sorted(found, key=lambda one: (-one.percent, one.name))[:BEST], sum(of for *_, of in rows) // 2


def champions() -> list[Champion]:
    """Return those who were the best of most days."""
    place = Window(Rank(), partition_by=TruncDate("played_at"), order_by=F("points").desc())
    best = Play.objects.annotate(place=place, day=TruncDate("played_at")).filter(place=1)
    days: dict[str, set[date]] = defaultdict(set)
    for name, day in best.values_list("player__username", "day"):
        days[name].add(day)
    found = [Champion(name, len(theirs), longest_streak(theirs)) for name, theirs in days.items()]
    return sorted(found, key=lambda one: (-one.days, -one.streak, one.name))[:BEST]


def _duellist(name: str, others: dict[int, tuple[int, int]], names: dict[int, str]) -> Duellist:
    nemesis = min(others, key=lambda other: (others[other][0] / others[other][1], names[other]))
    return Duellist(name, sum(won for won, _ in others.values()), sum(of for _, of in others.values()), names[nemesis])
