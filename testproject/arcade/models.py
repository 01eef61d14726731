"""What the arcade keeps in SQL: the plays, whose boards in Redis follow them, the seasons, and what consumers and
tasks write."""

import uuid

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils import timezone

from arcade.badges import Form, earned
from django_redis_patterns.leaderboards import LeaderboardManager
from django_redis_patterns.locks.models import FencedModel


class Play(models.Model):
    """One finished game of Quick draw. ``start`` is the game it came from: no game counts twice."""

    player = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="plays")
    points = models.PositiveIntegerField()
    played_at = models.DateTimeField(default=timezone.now)
    start = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)

    objects = models.Manager()
    leaderboard = LeaderboardManager(
        score="points",
        member="player",
        aggregate="best",
        at="played_at",
        windows=["day", "week", "all"],
        ties="competition",
        tiebreak="first",
    )

    class Meta:
        indexes = [models.Index(fields=["player", "played_at"], name="play_by_player")]

    def __str__(self) -> str:
        return f"{self.points} points of {self.player}"


class Season(FencedModel):
    """What is played from one closing to the next. One is open; who was best in a closed one stays written."""

    number = models.PositiveIntegerField(unique=True)
    began_at = models.DateTimeField(null=True)  # the first one: with the first play
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=150, blank=True)
    champions = models.JSONField(default=list)  # [{"name": ..., "points": ...}], best first

    def __str__(self) -> str:
        return f"season {self.number}"


class Career(models.Model):
    """What a player has done so far, and the badges that came of it. ``event``: the last game that was counted."""

    player = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True)
    games = models.PositiveIntegerField(default=0)
    best = models.PositiveIntegerField(default=0)
    last = models.PositiveIntegerField(default=0)
    rising = models.PositiveIntegerField(default=0)
    badges = models.JSONField(default=list)
    event = models.CharField(max_length=40, default="0-0")

    def __str__(self) -> str:
        return f"career of {self.player}"

    @classmethod
    def count(cls, player: int, event: str, points: int) -> list[str]:
        """Count a game once, however often its event comes; returns the badges that the player did not have."""
        if not User.objects.filter(pk=player).exists():
            return []
        with transaction.atomic():
            cls.objects.bulk_create([cls(player_id=player)], ignore_conflicts=True)
            career = cls.objects.select_for_update().get(player=player)
            return career._add(event, points)

    def _add(self, event: str, points: int) -> list[str]:
        if _place(event) <= _place(self.event):
            return []
        form = Form(self.games, self.best, self.last, self.rising)
        won = [badge for badge in earned(form, points) if badge not in self.badges]
        for name, value in vars(form.after(points)).items():
            setattr(self, name, value)
        self.badges, self.event = self.badges + won, event
        self.save()
        return won


class Activity(models.Model):
    """One game as the feed tells it. ``event``: the event that it came by."""

    event = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=150)
    points = models.PositiveIntegerField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.points}"


class SeasonReport(models.Model):
    """How far a season report is; what it says is the result of its *task*."""

    task = models.CharField(max_length=64, unique=True)
    ordered_by = models.CharField(max_length=150)
    ordered_at = models.DateTimeField(default=timezone.now)
    chapter = models.CharField(max_length=50, blank=True)  # that is being written
    chapters = models.PositiveIntegerField(default=0)  # that are written

    def __str__(self) -> str:
        return f"report {self.task}"

    @classmethod
    def of(cls, task: str, ordered_by: str) -> "SeasonReport":
        """Return the report of a task, which may run before the one who has ordered it has written that down."""
        return cls.objects.get_or_create(task=task, defaults={"ordered_by": ordered_by})[0]

    def reach(self, chapters: int, chapter: str) -> None:
        """Note what is written, and what is being written."""
        self.chapters, self.chapter = chapters, chapter
        self.save(update_fields=["chapters", "chapter"])


def _place(event: str) -> tuple[int, ...]:
    """Return where an event is in its log."""
    return tuple(map(int, event.split("-")))
