"""What a model says about its board, and what is wrong with it.

redis_patterns.E501  score= is missing or names no column
redis_patterns.E502  score= is not a number
redis_patterns.E503  member= names no column, or is missing where a key has several
redis_patterns.E504  at= names no DateTimeField
redis_patterns.E505  windows other than "all" without at=
redis_patterns.E506  tiebreak="first" without at=
redis_patterns.E507  an option that no board knows, or a connection that is not in the settings
redis_patterns.W501  member= names a column without an index
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from django_redis_patterns.conf import settings

from .leaderboard import Leaderboard

NUMBERS = (models.IntegerField, models.FloatField, models.DecimalField)


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """The arguments of a `LeaderboardManager`; names of fields are the model's."""

    score: str = ""
    member: str | None = None
    aggregate: str = "last"
    at: str | None = None
    windows: tuple[str, ...] = ("all",)
    order: str = "desc"
    ties: str = "ordinal"
    tiebreak: str | None = None
    tz: str | tzinfo | None = None
    keep: int = 1
    connection: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of a `Leaderboard`."""
        names = ("order", "ties", "tiebreak", "aggregate", "windows", "tz", "keep", "connection")
        return {name: getattr(self, name) for name in names}


def problems(model: type[models.Model], name: str, said: Declaration) -> list[checks.CheckMessage]:
    """Return what keeps the board *name* of *model* from following its rows."""
    return [checks.Error(f"{name}: {what}", hint=hint, obj=model, id=id) for what, hint, id in _problems(model, said)]


def unindexed(model: type[models.Model], name: str, said: Declaration) -> list[checks.CheckMessage]:
    """Return a warning if each save would read the whole table for the rows of its member."""
    column = _column(model, said.member)
    if column is None or column.db_index or column.unique or column.name in _first_of_indexes(model):
        return []
    message, hint = f"member={said.member!r} has no index.", "A save reads all rows of its member: add db_index=True."
    return [checks.Warning(f"{name}: {message}", hint=hint, obj=model, id="redis_patterns.W501")]


def _first_of_indexes(model: type[models.Model]) -> set[str]:
    indexes: list[Any] = [*model._meta.indexes, *model._meta.constraints]
    fields = [getattr(index, "fields", ()) for index in indexes]
    return {names[0].removeprefix("-") for names in fields if names}


def _problems(model: type[models.Model], said: Declaration) -> Iterator[tuple[str, str | None, str]]:
    score, at = _column(model, said.score), _column(model, said.at)
    if score is None:
        yield f"score={said.score!r} is not a column.", _close(model, said.score), "redis_patterns.E501"
    elif not isinstance(score, NUMBERS):
        yield f"score={said.score!r} is a {type(score).__name__}.", "Scores are numbers.", "redis_patterns.E502"
    if said.member is not None and _column(model, said.member) is None:
        yield f"member={said.member!r} is not a column.", _close(model, said.member), "redis_patterns.E503"
    if said.member is None and len(model._meta.pk_fields) > 1:
        hint = "Name a column: a row whose key has several cannot be a member."
        yield "member= is missing.", hint, "redis_patterns.E503"
    if said.at is not None and not isinstance(at, models.DateTimeField):
        hint = f"It is a {type(at).__name__}." if at else _close(model, said.at)
        yield f"at={said.at!r} is not a DateTimeField.", hint, "redis_patterns.E504"
    needed = 'Add at="...", the DateTimeField that says when a row counts.'
    if said.at is None and set(said.windows) != {"all"}:
        yield f"windows={list(said.windows)} need a time.", needed, "redis_patterns.E505"
    if said.at is None and said.tiebreak is not None:
        yield f"tiebreak={said.tiebreak!r} needs a time.", needed, "redis_patterns.E506"
    try:
        connection = Leaderboard(said.score or "board", **said.options).connection
        if connection not in settings().connections:
            yield f"There is no connection {connection!r}.", None, "redis_patterns.E507"
    except (ValueError, ZoneInfoNotFoundError) as error:
        yield str(error), None, "redis_patterns.E507"


def _column(model: type[models.Model], name: str | None) -> Any:
    try:
        field = model._meta.get_field(name) if name else None
    except FieldDoesNotExist:
        return None
    return field if field is not None and field.concrete and not field.many_to_many else None


def _close(model: type[models.Model], name: str | None) -> str:
    known = [field.name for field in model._meta.concrete_fields]
    close = difflib.get_close_matches(name or "", known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"It has: {', '.join(known)}."


def home_of(model: type[models.Model], name: str) -> type[models.Model]:
    """Return the model whose board the manager *name* of *model* has: the one that declares it.

    What an abstract model declares, each concrete child has for itself and its own children.
    """
    line: list[type[models.Model]] = [base for base in model.mro() if hasattr(base, "_meta")]
    declaring = next(base for base in line if any(manager.name == name for manager in base._meta.local_managers))
    return [base for base in line if issubclass(base, declaring) and not base._meta.abstract][-1]
