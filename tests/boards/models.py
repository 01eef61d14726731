"""Models whose boards follow the database."""

import uuid
from decimal import Decimal
from typing import Any

from django.db import models
from django.utils import timezone

from django_redis_patterns.leaderboards import LeaderboardManager


class Player(models.Model):
    """The simplest board there is: the row is the member, a column its score."""

    name = models.CharField(max_length=40)
    points = models.IntegerField(null=True, default=0)
    objects = models.Manager()
    leaderboard = LeaderboardManager(score="points")


class Guest(Player):
    """A proxy: it shares the board of its model."""

    class Meta:
        proxy = True


class Pro(Player):
    """A child with a table of its own: on its parent's board."""

    team = models.CharField(max_length=40)


class Play(models.Model):
    """What the design shows: many rows a member, in windows."""

    player = models.ForeignKey(Player, on_delete=models.CASCADE)
    points = models.IntegerField(null=True)
    played_at = models.DateTimeField(default=timezone.now)
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


class Sale(models.Model):
    """Sums and dense ranks; two boards of one model."""

    seller = models.ForeignKey(Player, null=True, on_delete=models.SET_NULL, related_name="sales")
    amount = models.DecimalField(max_digits=20, decimal_places=2, default=Decimal(0))
    at = models.DateTimeField(default=timezone.now)
    board = LeaderboardManager(
        score="amount", member="seller", aggregate="sum", at="at", windows=["month", "all"], ties="dense"
    )
    fastest = LeaderboardManager(score="amount", member="seller", aggregate="best", order="asc")


class Gift(models.Model):
    """Its only manager has the board."""

    giver = models.ForeignKey(Player, null=True, on_delete=models.SET_NULL)
    worth = models.IntegerField(default=0)
    leaderboard = LeaderboardManager(score="worth", member="giver", aggregate="sum")


class Lap(models.Model):
    """The latest row counts; a lower time is better."""

    driver = models.ForeignKey(Player, on_delete=models.CASCADE)
    seconds = models.FloatField()
    at = models.DateTimeField(default=timezone.now)
    objects = models.Manager()
    leaderboard = LeaderboardManager(
        score="seconds",
        member="driver",
        aggregate="last",
        at="at",
        windows=["hour", "all"],
        order="asc",
        tiebreak="first",
        ties="dense",
    )


class Visit(models.Model):
    """Without the window "all"."""

    player = models.ForeignKey(Player, on_delete=models.CASCADE)
    weight = models.IntegerField(default=1)
    at = models.DateTimeField(default=timezone.now)
    objects = models.Manager()
    leaderboard = LeaderboardManager(
        score="weight", member="player", aggregate="sum", at="at", windows=["day", "hour"], keep=2, tz="Europe/Oslo"
    )


class Vote(models.Model):
    """The member is a plain field; a sum without times."""

    country = models.CharField(max_length=40, null=True, db_index=True)
    weight = models.BigIntegerField(default=1)
    objects = models.Manager()
    leaderboard = LeaderboardManager(score="weight", member="country", aggregate="sum")


class Abstract(models.Model):
    """Each concrete child has a board of its own."""

    score = models.IntegerField(default=0)
    objects = models.Manager()
    leaderboard = LeaderboardManager(score="score")

    class Meta:
        abstract = True


class Chess(Abstract):
    pass


class Go(Abstract):
    pass


class Special(Player):
    """A child with a board of its own, over a field of its parent."""

    lowest = LeaderboardManager(score="points", order="asc")


class Animal(models.Model):
    points = models.IntegerField(default=0)
    objects = models.Manager()


class Racer(Animal):
    """Only the child has a board, over a column of its parent."""

    leaderboard = LeaderboardManager(score="points")


class Slugged(models.Model):
    slug = models.SlugField(unique=True)
    objects = models.Manager()


class Step(models.Model):
    """A foreign key to something other than the primary key, rows that come and go with a filter, UUIDs as keys."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    walker = models.ForeignKey(Slugged, to_field="slug", on_delete=models.CASCADE)
    count = models.IntegerField(default=0)
    objects = models.Manager()
    leaderboard = LeaderboardManager(score="count", member="walker", aggregate="sum")


class VisibleManager(LeaderboardManager["Photo"]):
    """A board of those rows that its queryset has."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().filter(hidden=False)


class Photo(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    hidden = models.BooleanField(default=False)
    likes = models.IntegerField(default=0)
    objects = models.Manager()
    leaderboard = VisibleManager(score="likes")


class Motto(models.Model):
    """Text is its key, and may be empty."""

    text = models.CharField(max_length=40, primary_key=True)
    likes = models.IntegerField(default=0)
    objects = models.Manager()
    leaderboard = LeaderboardManager(score="likes")
