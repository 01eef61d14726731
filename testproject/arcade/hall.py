"""The hall of fame: counted from all games by one caller in the whole fleet, and kept until a record falls."""

import os
import random
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from arcade import history
from arcade.actions import Refused
from arcade.bots import NAMES
from arcade.game import FASTEST, ROUNDS, SLOWEST
from arcade.models import Play, Season
from arcade.topics import CacheTopic
from django_redis_patterns.caching import cached, invalidate_tags
from django_redis_patterns.core.trace import Log

TTL, STALE = 300, 600  # s
GAME, TAG = "quick-draw", "hall-of-fame"
PERFECT = ROUNDS * (SLOWEST - FASTEST)
TOPIC = CacheTopic(page="hall")


@dataclass(frozen=True)
class Hall:
    """What is shown, and how it was made: ``took`` milliseconds for *pairs* of games, by a thread of a process."""

    records: list[history.Record]
    duels: list[history.Duellist]
    champions: list[history.Champion]
    seasons: list[dict[str, Any]]
    games: int
    pairs: int
    took: float
    made_at: datetime
    made_by: str

    @property
    def record(self) -> int:
        """The points to beat."""
        return self.records[0].points if self.records else 0

    @property
    def first(self) -> history.Record | None:
        """The record that was there to beat at first."""
        return self.records[-1] if self.records else None

    @property
    def is_stale(self) -> bool:
        """Whether its time is up, and it is served while it is made anew."""
        return (timezone.now() - self.made_at).total_seconds() > TTL


@dataclass(frozen=True)
class Visit:
    """The hall as one visitor got it: after ``ms`` milliseconds, from "copy", "Redis", "leader" or "made" here."""

    hall: Hall
    origin: str
    ms: float


@cached(ttl=TTL, stale=STALE, near=True, tags=[TAG, "game:{game}"], depends_on=[Season])
def hall_of_fame(game: str) -> Hall:
    """Count everything anew. A new record invalidates it, and so does a season that is closed."""
    began = time.perf_counter()
    duels, pairs = history.duels()
    closed = Season.objects.exclude(closed_at=None).order_by("-number")[:4]
    return Hall(
        records=history.records(),
        duels=duels,
        champions=history.champions(),
        seasons=list(closed.values("number", "champions", "closed_at")),
        games=Play.objects.count(),
        pairs=pairs,
        took=(time.perf_counter() - began) * 1000,
        made_at=timezone.now(),
        made_by=_me(),
    )


def visit(told: Log) -> Visit:
    """Return the hall, and where it came from; *told* is what Redis has been told for this request."""
    came, before, began = timezone.now(), len(told.commands), time.perf_counter()
    hall = hall_of_fame(GAME)
    ms = (time.perf_counter() - began) * 1000
    if hall.made_at >= came:
        return Visit(hall, "made" if hall.made_by == _me() else "leader", ms)
    return Visit(hall, "Redis" if len(told.commands) > before else "copy", ms)


def note(sender: type[Play], instance: Play, created: bool, **_: Any) -> None:
    """Invalidate the hall when *instance* beats the record, as soon as that is committed, and tell open pages."""
    others = Play.objects.exclude(pk=instance.pk)
    if created and not others.filter(points__gte=instance.points).exists():
        with transaction.atomic():  # so that both wait for the commit and go together, also where nobody else began one
            invalidate_tags(f"game:{GAME}")
            TOPIC.publish("record", {"name": instance.player.get_username(), "points": instance.points})


def break_record() -> Play:
    """Let a bot play better than everybody before. Raises Refused when nobody can."""
    with transaction.atomic():
        best = Play.objects.aggregate(best=Max("points"))["best"] or 0
        if best >= PERFECT:
            raise Refused(f"{PERFECT} points are perfect: that record stands for ever.")
        bot = User.objects.get(username=random.choice(NAMES))
        return Play.objects.create(player=bot, points=min(best + random.randint(1, 9), PERFECT))


def _me() -> str:
    return f"{os.getpid()}:{threading.get_ident()}"
