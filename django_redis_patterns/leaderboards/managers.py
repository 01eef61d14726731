"""A model manager whose board follows the database."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, tzinfo
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from django.core import checks
from django.db import models, router
from django.db.models.signals import class_prepared

from django_redis_patterns.core.operations import IO, both

from . import following
from .board import Aggregate, Order, Tiebreak
from .declared import Declaration, home_of, problems, unindexed
from .entries import Ties
from .followed import FollowedBoard
from .leaderboard import Leaderboard
from .rebuild import Progress, rebuild
from .reconcile import Drift, reconcile

M = TypeVar("M", bound=models.Model)
P = ParamSpec("P")
T = TypeVar("T")


class LeaderboardQuerySet(models.QuerySet[M]):
    """Its writes are followed by the boards of the model, also those that send no signal."""

    def update(self, **kwargs: Any) -> int:
        """Update, and have the boards follow; one query more finds the members whose rows these are."""
        self._for_write = True
        with following.updating(self, kwargs):
            return super().update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        """Create, and have the boards follow."""
        self._for_write = True
        objects = list(objs)
        with following.creating(self.model, objects, self.db):
            return super().bulk_create(objects, *args, **kwargs)


class _OfBoard(Generic[P, T]):
    """A face of the board, as a method of its manager."""

    def __init__(self, face: Callable[Concatenate[Leaderboard, P], T]) -> None:
        self.face = face

    def __get__(self, manager: "LeaderboardManager[Any]", _: Any = None) -> Callable[P, T]:
        bound: Callable[P, T] = self.face.__get__(manager.board)
        return bound


if TYPE_CHECKING:
    _Manager = models.Manager
else:
    _Manager = models.Manager.from_queryset(LeaderboardQuerySet, "_Manager")


class LeaderboardManager(_Manager[M]):
    """A manager with a board of its model's rows, which follows the database: after each commit, never on rollback.

    ``score``: the column with the score. ``member``: whose row it is, a foreign key or a plain column; without it each
    row is a member itself. ``aggregate``: of several rows of a member the "last", the "best" or the "sum" counts.
    ``at``: the DateTimeField that says when; other windows than "all" and ``tiebreak`` need it. The other options are
    those of `Leaderboard`. Rows without a score, a member or a time are on no board, and neither are those that the
    manager's own ``get_queryset`` leaves out.

    Members are given as instances or primary keys. What writes around this manager and sends no signal
    (``objects.update()``, SQL) is not followed until `reconcile` or `rebuild`.
    """

    def __init__(
        self,
        *,
        score: str = "",
        member: str | None = None,
        aggregate: Aggregate = "last",
        at: str | None = None,
        windows: Sequence[str] = ("all",),
        order: Order = "desc",
        ties: Ties = "ordinal",
        tiebreak: Tiebreak | None = None,
        tz: str | tzinfo | None = None,
        keep: int = 1,
        connection: str | None = None,
    ) -> None:
        super().__init__()
        self.said = Declaration(
            score=score,
            member=member,
            aggregate=aggregate,
            at=at,
            windows=(windows,) if isinstance(windows, str) else tuple(windows),
            order=order,
            ties=ties,
            tiebreak=tiebreak,
            tz=tz,
            keep=keep,
            connection=connection,
        )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Related managers are classes that Django makes of this one."""
        super().__init_subclass__(**kwargs)
        if cls.__qualname__.startswith("create_reverse_many_to_one_manager"):
            cls.add = _followed_add(cls.add)  # type: ignore[attr-defined]

    @property
    def board(self) -> FollowedBoard:
        """The board; a related manager has that of all rows."""
        return following.board(self.model, self.name or _only_name(self.model))

    @property
    def connection(self) -> str:
        """The alias of the connection that holds the board."""
        return self.board.connection

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Return what is wrong with the declaration, once for the model that it is for."""
        if home_of(self.model, self.name) is not self.model:
            return []
        return problems(self.model, self.name, self.said) + unindexed(self.model, self.name, self.said)

    def window(self, name: str, *, at: datetime | None = None) -> Leaderboard:
        """Return the board seen through another window: the present one, or the one that holds the moment *at*."""
        return self.board.window(name, at=at)

    top, atop = _OfBoard(Leaderboard.top), _OfBoard(Leaderboard.atop)
    page, apage = _OfBoard(Leaderboard.page), _OfBoard(Leaderboard.apage)
    slice, aslice = _OfBoard(Leaderboard.slice), _OfBoard(Leaderboard.aslice)
    around, aaround = _OfBoard(Leaderboard.around), _OfBoard(Leaderboard.aaround)
    rank, arank = _OfBoard(Leaderboard.rank), _OfBoard(Leaderboard.arank)
    score, ascore = _OfBoard(Leaderboard.score), _OfBoard(Leaderboard.ascore)
    percentile, apercentile = _OfBoard(Leaderboard.percentile), _OfBoard(Leaderboard.apercentile)
    among, aamong = _OfBoard(Leaderboard.among), _OfBoard(Leaderboard.aamong)

    async def _count(self, io: IO) -> int:
        """Return how many members there are; of a related manager, how many rows."""
        return int(await (self.board._count(io) if self.name else io.call(self.get_queryset().count)))

    async def _rebuild(self, io: IO, progress: Progress | None = None) -> int:
        """Make the board anew from the database; returns how many members the database has for it.

        Readers see the old board until the new one replaces it in one step, with what was written meanwhile.
        ``progress`` is called with how many members are done and how many there are. Raises `RebuildOvertaken` when
        another rebuild begins. ``db_manager(using)`` chooses the database.
        """
        return await rebuild(io, self.board, self._database, progress)

    async def _reconcile(self, io: IO, fix: bool = False, progress: Progress | None = None) -> Drift:
        """Compare the board with the database; ``fix`` mends it. Returns the drift found, before mending.

        What differs is looked at again a quarter of a second later: a write on its way is no drift.
        """
        return await reconcile(io, self.board, self._database, fix, progress)

    count, acount = both(_count)
    rebuild, arebuild = both(_rebuild)
    reconcile, areconcile = both(_reconcile)
    # A template that names one of these does not call it.
    rebuild.alters_data = arebuild.alters_data = True  # type: ignore[attr-defined]
    reconcile.alters_data = areconcile.alters_data = True  # type: ignore[attr-defined]

    @property
    def _database(self) -> str:
        return self._db or router.db_for_write(self.model)


def _only_name(model: type[models.Model]) -> str:
    """Return the name of the manager that a related manager, which does not know it, was made of."""
    names = [manager.name for manager in model._meta.managers if isinstance(manager, LeaderboardManager)]
    if len(names) > 1:
        raise ValueError(f"{model.__name__} has the boards {', '.join(names)}: ask one of them, not a related manager.")
    return names[0]


def _followed_add(add: Callable[..., None]) -> Callable[..., None]:
    """Follow what ``player.plays.add(play)`` updates through the model's base manager."""

    @wraps(add)
    def followed(self: Any, *objs: Any, bulk: bool = True) -> None:
        using = router.db_for_write(self.model, instance=self.instance)
        keys = [obj.pk for obj in objs if isinstance(obj, self.model)]
        with following.updating(self.model._base_manager.using(using).filter(pk__in=keys), [self.field.name]):
            add(self, *objs, bulk=bulk)

    return followed


def _prepared(sender: type[models.Model], **_: Any) -> None:
    for manager in sender._meta.managers:
        if isinstance(manager, LeaderboardManager) and home_of(sender, manager.name) is sender:
            following.declare(sender, manager.name, manager.said)
    following.prepared(sender)


class_prepared.connect(_prepared)
