"""What the arcade keeps in SQL: the plays, whose boards in Redis follow them, and the seasons."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

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
