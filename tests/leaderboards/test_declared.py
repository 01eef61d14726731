"""What is wrong with a declaration is told by the system check, and not at import."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.test.utils import isolate_apps

from django_redis_patterns.leaderboards import LeaderboardManager, following


def told(**options: Any) -> list[tuple[str, str]]:
    """The ids and hints of the checks of a model with that board."""

    class Run(models.Model):
        points = models.IntegerField()
        name = models.CharField(max_length=9, db_index=True)
        on = models.DateField()
        at = models.DateTimeField()
        runner = models.ForeignKey("self", on_delete=models.CASCADE)
        leaderboard = LeaderboardManager(**options)

        class Meta:
            app_label = "boards"

    found = [problem for problem in Run.check() if (problem.id or "").startswith("redis_patterns")]
    if found:
        with pytest.raises(ImproperlyConfigured, match=str(found[0].msg)[:20]):
            Run.leaderboard.top()
    return [((problem.id or "").removeprefix("redis_patterns."), problem.hint or str(problem.msg)) for problem in found]


@pytest.mark.parametrize(
    ("options", "id", "hint"),
    [
        ({}, "E501", "It has: id, points"),
        ({"score": "point"}, "E501", "Did you mean 'points'?"),
        ({"score": "runner__points"}, "E501", "Did you mean"),
        ({"score": "name"}, "E502", "Scores are numbers."),
        ({"score": "points", "member": "runer"}, "E503", "Did you mean 'runner'?"),
        ({"score": "points", "member": "run"}, "E503", "Did you mean"),
        ({"score": "points", "at": "on"}, "E504", "It is a DateField."),
        ({"score": "points", "at": "ta"}, "E504", "It has"),
        ({"score": "points", "windows": ["day", "all"]}, "E505", 'Add at="..."'),
        ({"score": "points", "tiebreak": "first"}, "E506", 'Add at="..."'),
        ({"score": "points", "order": "down"}, "E507", "There are 'desc', 'asc'."),
        ({"score": "points", "ties": "densely"}, "E507", "Did you mean 'dense'?"),
        ({"score": "points", "at": "at", "windows": ["days"]}, "E507", "Did you mean 'day'?"),
        ({"score": "points", "tz": "Europe/Nowhere"}, "E507", "Nowhere"),
        ({"score": "points", "connection": "elsewhere"}, "E507", "elsewhere"),
    ],
)
@isolate_apps("tests.boards")
def test_a_declaration_that_cannot_be_followed_is_an_error(options: dict[str, Any], id: str, hint: str) -> None:
    """Each mistake has its id and says what to write; the board itself raises the same."""
    ((found, what),) = told(**options)
    assert (found, hint in what) == (id, True), what


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"member": "runner", "at": "at", "windows": ["day", "all"], "tiebreak": "first", "tz": "Europe/Oslo"},
        {"member": "name", "windows": "all", "order": "asc", "ties": "dense", "aggregate": "sum", "keep": 3},
    ],
)
@isolate_apps("tests.boards")
def test_a_declaration_that_can_be_followed_is_none(options: dict[str, Any]) -> None:
    """All options at once, too."""
    assert not told(score="points", **options)


@isolate_apps("tests.boards")
def test_a_row_whose_key_has_several_columns_is_no_member() -> None:
    """A column of it may be."""

    class Cell(models.Model):
        pk = models.CompositePrimaryKey("row", "column")
        row = models.IntegerField(db_index=True)
        column = models.IntegerField()
        of_cell = LeaderboardManager(score="column")
        of_row = LeaderboardManager(score="column", member="row")

        class Meta:
            app_label = "boards"

    found = [(problem.id, problem.msg) for problem in Cell.check() if "redis_patterns" in (problem.id or "")]
    assert found == [("redis_patterns.E503", "of_cell: member= is missing.")]
    assert Cell.of_row.board


@isolate_apps("tests.boards")
def test_a_member_without_an_index_is_a_warning() -> None:
    """Any index that begins with it will do."""

    class Throw(models.Model):
        metres = models.FloatField()
        club = models.CharField(max_length=9)
        town = models.CharField(max_length=9)
        land = models.CharField(max_length=9)
        of_club = LeaderboardManager(score="metres", member="club")
        of_town = LeaderboardManager(score="metres", member="town")
        of_land = LeaderboardManager(score="metres", member="land")

        class Meta:
            app_label = "boards"
            indexes = [models.Index(fields=["-town", "metres"], name="throw_town")]
            constraints = [
                models.UniqueConstraint(fields=["land", "metres"], name="throw_land"),
                models.CheckConstraint(condition=models.Q(metres__gt=0), name="throw_metres"),
            ]

    found = [problem for problem in Throw.check() if problem.id == "redis_patterns.W501"]
    assert [problem.msg for problem in found] == ["of_club: member='club' has no index."]
    assert Throw.of_club.board


@isolate_apps("tests.boards")
def test_a_board_that_cannot_be_followed_hinders_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """It is told by the log when rows change."""

    class Jump(models.Model):
        metres = models.FloatField()
        broken = LeaderboardManager(score="meters")
        leaderboard = LeaderboardManager(score="metres")

        class Meta:
            app_label = "boards"

    assert [board.name for board in following._boards(Jump)] == ["boards.jump.leaderboard"]
    assert "does not follow a change of Jump" in caplog.text


@isolate_apps("tests.boards")
def test_an_inherited_declaration_is_told_once() -> None:
    """By the model that declares it, or by each heir of an abstract one."""

    class Base(models.Model):
        leaderboard = LeaderboardManager(score="nothing")

        class Meta:
            abstract = True
            app_label = "boards"

    class Child(Base):
        class Meta:
            app_label = "boards"

    class Grandchild(Child):
        class Meta:
            app_label = "boards"

    class Proxy(Child):
        class Meta:
            proxy = True
            app_label = "boards"

    ids = [[problem.id for problem in model.check()] for model in (Child, Grandchild, Proxy)]
    assert [found.count("redis_patterns.E501") for found in ids] == [1, 0, 0]
