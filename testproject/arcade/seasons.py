"""Seasons of Quick draw: one is open, and closing it crowns its best once, however many ask for it at the same time."""

import time
from typing import Any

from django.db.models import Max
from django.utils import timezone

from arcade.actions import Refused
from arcade.models import Play, Season
from arcade.topics import LockTopic
from django_redis_patterns.locks import lock

BEST = 3
CEREMONY = 1.5  # s that it takes to engrave the cup; who asks meanwhile is told who is at it
TOPIC = LockTopic(lock="season")


class NotOpen(Refused):
    """There is nothing to close."""


def current() -> Season:
    """Return the season that is open."""
    return Season.objects.get(closed_at=None)


def standings(season: Season) -> list[dict[str, Any]]:
    """Return the season's best players, each with their best game, best first."""
    plays = Play.objects.all()
    if season.began_at:
        plays = plays.filter(played_at__gte=season.began_at)
    if season.closed_at:
        plays = plays.filter(played_at__lt=season.closed_at)
    best = plays.values("player__username").annotate(best=Max("points")).order_by("-best", "player__username")[:BEST]
    return [{"name": row["player__username"], "points": row["best"]} for row in best]


def close(number: int, by: str) -> Season:
    """Close the season *number*, crown its champions, and open the next one.

    Lock, BEGIN, the writes, COMMIT, release: whoever comes next finds it closed. The number says which season is meant,
    so who is late does not close the one after it. Raises NotOpen, and `LockTimeout` when somebody is closing it now.
    """
    _refuse_early(number)
    with lock("season", ttl=5, wait=0).atomic() as held:
        TOPIC.publish("closing", {"by": by}, now=True)
        time.sleep(CEREMONY)  # before the first query, from which on SQLite lets nobody else write
        season = _ended(number, by)
        season.champions = _champions(season)
        held.save(season)
        Season.objects.create(number=number + 1, began_at=season.closed_at)
        TOPIC.publish("closed", {"by": by, "number": number})
    return season


def _refuse_early(number: int) -> None:
    season = current()
    if season.number != number:
        raise _closed(number)
    _champions(season)


def _champions(season: Season) -> list[dict[str, Any]]:
    champions = standings(season)
    if not champions:
        raise NotOpen(f"Nobody has played in season {season.number} yet: there is nobody to crown.")
    return champions


def _ended(number: int, by: str) -> Season:
    is_open = Season.objects.filter(number=number, closed_at=None)
    if not is_open.update(closed_at=timezone.now(), closed_by=by):
        raise _closed(number)
    return Season.objects.get(number=number)


def _closed(number: int) -> NotOpen:
    season = Season.objects.filter(number=number).first()
    if season is None:
        return NotOpen("There is no such season.")
    return NotOpen(f"Season {number} is closed already: {season.closed_by} was first.")
