"""The board of a model: a `Leaderboard` that is written from the database only."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from django.db import models, router

from django_redis_patterns.core.commit import after_commit_together
from django_redis_patterns.core.operations import IO
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.exceptions import InvalidConfiguration

from . import layout, sync
from .declared import Declaration, problems
from .entries import Change, Mode
from .leaderboard import Leaderboard
from .members import ROW, Members
from .scores import MOST, Score
from .truth import Truth
from .whose import Whose

TICKET = Script("ticket.lua", idempotent=True)
TICKETS_KEPT_MS = 600_000


class RowMembers(Members):
    """The members of a model's board: rows, given as instances or primary keys, or values of a column."""

    def __init__(self, truth: Truth) -> None:
        self.target = truth.target
        self.column: Any = truth.field if self.target is None else self.target._meta.pk
        self.prefix = f"{ROW}{self.target._meta.label_lower}:" if self.target else ""

    def text(self, member: Any) -> str:
        """Return how *member* is stored. Raises TypeError for a row of another model, ValidationError for no key."""
        if self.target is None:
            return super().text(self._spelt(member))
        if isinstance(member, models.Model):
            if not isinstance(member, self.target):
                raise TypeError(f"Members of this board are {self.target.__name__}s, not {member!r}.")
            member = getattr(member, self.column.attname)
        if member is None:
            raise ValueError(f"This {self.target.__name__} has no primary key yet: save it first.")
        return self.prefix + self._spelt(member)

    def plain(self, text: str) -> Any:
        """Return the column's value of a stored *text*."""
        return self.column.to_python(super().plain(text))

    def key(self, text: str) -> Any:
        """Return what the database has for a stored *text*. Raises ValueError, ValidationError for a foreign one."""
        if not self.target:
            return self.plain(text)
        if not text.startswith(self.prefix):
            raise ValueError(f"{text!r} is no {self.target.__name__}.")
        return self.column.to_python(text.removeprefix(self.prefix))

    def _spelt(self, value: Any) -> str:
        if type(value) is int and isinstance(self.column, models.IntegerField):  # millions of them, in a rebuild
            return str(value)
        holder = SimpleNamespace(**{self.column.attname: self.column.to_python(value)})
        return str(self.column.value_to_string(holder))


class FollowedBoard(Leaderboard):
    """The board of the manager *name* of *home*; ``owner`` is the model with the table whose rows are on it.

    Raises `InvalidConfiguration` for what the system check reports.
    """

    def __init__(self, home: type[models.Model], name: str, said: Declaration) -> None:
        self.owner: type[models.Model] = home._meta.concrete_model or home
        for problem in problems(self.owner, name, said):
            raise InvalidConfiguration(problem.msg)
        super().__init__(f"{home._meta.label_lower}.{name}", **said.options)
        self.said = said
        self.truth = Truth(home._meta.managers_map[name], self.owner, said)
        self.members: RowMembers = RowMembers(self.truth)
        self.whose = Whose(self.truth, self.members.text)
        self._followers: dict[str, sync.Follower] = {}

    def follow(self, using: str, members: Iterable[str]) -> None:
        """Look at *members* again when the transaction on the database *using* commits; never raises."""
        if found := sorted(members):
            follower = self._followers.setdefault(using, sync.Follower(self, using))
            after_commit_together(using, follower.look, *found)

    async def forget(self, io: IO, texts: Iterable[str]) -> None:
        """Ask the database about members whose rows seem to be gone."""
        await sync.look(io, self, router.db_for_write(self.owner), list(texts))

    async def ticket(self, io: IO) -> int:
        """Take a ticket: what is read from the database after it may be written with it."""
        keys = [self.key("ticket"), layout.tickets_key(self.name), self.key("rebuild")]
        return int(await io.run(TICKET, keys=keys, args=[TICKETS_KEPT_MS]))

    def stamp(self, us: int | None) -> str:
        """Return what stands before a member's text in the sorted set, as write.lua spells it."""
        if not self.tiebreak or us is None:
            return ""
        us = max(0, min(us, MOST - 1))
        return f"{MOST - 1 - us if self.order == 'desc' else us:016d}:"

    def key(self, part: str) -> str:
        """Return a key of the board's own."""
        return layout.key(layout.ROOM, self.name, part)

    async def _put(self, io: IO, member: Any, mode: Mode, score: Score = 0) -> Change:
        raise TypeError(f"Board {self.name!r} follows the database: save a {self.owner.__name__} instead.")
