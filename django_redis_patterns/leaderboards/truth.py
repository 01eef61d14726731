"""What the database says: the value of each member in each window, by the ORM alone."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

from django.conf import settings as django_settings
from django.db import models
from django.db.models import F, Max, Min, Sum, Value
from django.db.models import Window as Over
from django.db.models.functions import RowNumber
from django.utils import timezone

from .declared import Declaration
from .windows import Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_PARTS = 100  # of a union: SQLite takes 500
Rows: TypeAlias = "models.QuerySet[Any, Any]"


class Fact(NamedTuple):
    """One member's value in the window with that number; ``stamp`` is when it was reached, in µs since 1970."""

    window: int
    member: Any
    score: Any
    stamp: int | None


class Truth:
    """The SQL of one board. Rows without a score, a member or a time are not on it.

    "last" is the latest row by (time, primary key), "best" the best score and the first time it was reached, "sum" the
    sum and the last time it grew.
    """

    def __init__(self, manager: "models.Manager[Any]", model: type[models.Model], said: Declaration) -> None:
        self.manager, self.model, self.said = manager, model, said
        self.field: Any = model._meta.get_field(said.member) if said.member else model._meta.pk
        #: The model whose rows are the members, if they are rows.
        self.target: type[models.Model] | None = self._target() if said.member else model
        self.path = f"{said.member}__pk" if said.member and self.target else said.member or "pk"

    def rows(self, using: str) -> Rows:
        """Return the rows that count."""
        known = {f"{name}__isnull": False for name in (self.said.score, self.path, self.said.at) if name}
        rows = self.manager.db_manager(using).get_queryset().filter(**known).order_by()
        return rows if self.target else rows.exclude(**{self.path: ""}) if self.field.empty_strings_allowed else rows

    def members(self, rows: Rows) -> list[Any]:
        """Return the members of *rows*, each once."""
        return list(rows.order_by().values_list(self.path, flat=True).distinct())

    def count(self, rows: Rows) -> int:
        """Return how many members *rows* have."""
        return rows.order_by().values(self.path).distinct().count()

    def facts(self, rows: Rows, windows: Sequence[Window]) -> list[Fact]:
        """Return the value of every member of *rows* in each window that it has one in: one query per 100 windows."""
        parts = [self._of_window(rows, number, window) for number, window in enumerate(windows)]
        some = [parts[start : start + MOST_PARTS] for start in range(0, len(parts), MOST_PARTS)]
        found = chain.from_iterable(first.union(*others, all=True) if others else first for first, *others in some)
        return [Fact(number, member, score, _stamp(at)) for number, member, score, at in found]

    def chunk_end(self, rows: Rows, after: Any, size: int) -> Any:
        """Return the last of the next *size* members after *after* (None: from the start), None when there is none."""
        later = self.after(rows, after).values_list(self.path, flat=True).distinct().order_by(self.path)
        return next(iter(reversed(later[:size])), None)

    def after(self, rows: Rows, member: Any) -> Rows:
        """Return the rows of members after *member*."""
        return rows if member is None else rows.filter(**{f"{self.path}__gt": member})

    def upto(self, rows: Rows, member: Any) -> Rows:
        """Return the rows of members up to *member*."""
        return rows.filter(**{f"{self.path}__lte": member})

    def of(self, rows: Rows, members: Iterable[Any]) -> Rows:
        """Return the rows of *members*."""
        return rows.filter(**{f"{self.path}__in": list(members)})

    def _target(self) -> type[models.Model] | None:
        related = self.field.related_model if self.field.is_relation else None
        return related._meta.concrete_model if related else None

    def _of_window(self, rows: Rows, number: int, window: Window) -> Any:
        at = self.said.at
        if at and window.start is not None and window.end is not None:
            rows = rows.filter(**{f"{at}__gte": _stored(window.start), f"{at}__lt": _stored(window.end)})
        return self._aggregated(rows.annotate(_window=Value(number, models.IntegerField())))

    def _aggregated(self, rows: Rows) -> Any:
        at = F(self.said.at) if self.said.at else Value(None, models.DateTimeField())
        if self.said.member is None:
            return rows.values_list("_window", self.path, self.said.score, at)
        if self.said.aggregate == "sum":
            return self._grouped(rows, Sum(self.said.score), Max)
        if self.said.aggregate == "best" and not self.said.tiebreak:
            return self._grouped(rows, (Max if self.said.order == "desc" else Min)(self.said.score), Max)
        first = Over(RowNumber(), partition_by=[F(self.path)], order_by=self._preference())
        return rows.annotate(_n=first).filter(_n=1).values_list("_window", self.path, self.said.score, at)

    def _grouped(self, rows: Rows, score: Any, latest: Any) -> Any:
        at = latest(self.said.at) if self.said.at else Value(None, models.DateTimeField())
        grouped = rows.values("_window", self.path).annotate(_score=score, _at=at)
        return grouped.values_list("_window", self.path, "_score", "_at")

    def _preference(self) -> list[Any]:
        """Which row of a member counts: the first in this order."""
        at = [F(self.said.at)] if self.said.at else []
        if self.said.aggregate == "last":
            return [column.desc() for column in [*at, F("pk")]]
        score = F(self.said.score)
        return [score.desc() if self.said.order == "desc" else score.asc(), *at, F("pk")]


def _stored(moment: datetime) -> datetime:
    """Return *moment* as the database has it: without a zone when Django works without them."""
    return moment if django_settings.USE_TZ else timezone.make_naive(moment, timezone.get_default_timezone())


def _stamp(at: datetime | None) -> int | None:
    if at is None:
        return None
    aware = timezone.make_aware(at, timezone.get_default_timezone()) if timezone.is_naive(at) else at
    return (aware - EPOCH) // timedelta(microseconds=1)
