"""What the arcade keeps in SQL: the plays. The boards in Redis follow them."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from django_redis_patterns.leaderboards import LeaderboardManager


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
