"""After a commit: a ticket, what the database says now, one write.

A ticket is taken before the database is read, and a write whose member has been written under a higher ticket is
dropped. So whichever of two commits comes to write last, the board ends with what both of them left behind.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.exceptions import ValidationError

from django_redis_patterns.core import trace
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.exceptions import InexactScore
from django_redis_patterns.signals import rank_changed

from .board import MOST_PUTS
from .entries import Change, Put
from .scores import Score, exact
from .truth import Fact, Rows
from .windows import Window, now

if TYPE_CHECKING:
    from .followed import FollowedBoard

logger = logging.getLogger("django_redis_patterns.leaderboards")

T = TypeVar("T")
Facts = dict[tuple[int, str], Fact]


class Follower:
    """A board as it follows one database."""

    def __init__(self, board: "FollowedBoard", using: str) -> None:
        self.board = board
        self.using = using

    @property
    def connection(self) -> str:
        """The alias of the connection that holds the board."""
        return self.board.connection

    async def _look(self, io: IO, *members: str) -> None:
        """Look at *members* in the database and write what it says."""
        await look(io, self.board, self.using, members)

    look, alook = both(_look)


async def look(io: IO, board: "FollowedBoard", using: str, members: Sequence[str]) -> None:
    """Write what the database says of *members*: one query and two trips for up to 500 places on the board."""
    ticket = await board.ticket(io)
    windows = board.windows_kept()
    for some in chunks(members, per_chunk(windows)):
        facts = await io.call(facts_of, board, using, windows, some)
        await write(io, board, windows, some, facts, ticket)


async def write(
    io: IO, board: "FollowedBoard", windows: list[Window], members: Iterable[str], facts: Facts, ticket: int
) -> None:
    """Write *facts* of *members*, and tell what changed in the present windows."""
    puts = [
        put
        for number, window in enumerate(windows)
        for member in members
        if (put := _put(board, window, member, facts.get((number, member)))) is not None
    ]
    changes = await board.write(io, puts, ticket)
    if rank_changed.has_listeners(board.owner):
        await io.call(_tell, board, list(zip(puts, changes, strict=True)))


def facts_of(board: "FollowedBoard", using: str, windows: list[Window], members: Iterable[str]) -> Facts:
    """Return what the database says of *members*, by number of window and member: one query."""
    keys = [key for member in members if (key := _key(board, member)) is not None]
    return named(board, board.truth.facts(board.truth.of(board.truth.rows(using), keys), windows) if keys else [])


def chunk(board: "FollowedBoard", rows: Rows, windows: list[Window], after: Any, size: int) -> tuple[Any, Facts]:
    """Return the last of the next *size* members after *after*, and the facts of all of them; None at the end."""
    end = board.truth.chunk_end(rows, after, size)
    if end is None:
        return None, {}
    return end, named(board, board.truth.facts(board.truth.upto(board.truth.after(rows, after), end), windows))


def named(board: "FollowedBoard", facts: Iterable[Fact]) -> Facts:
    """Return *facts* by number of window and member."""
    return {(fact.window, board.members.text(fact.member)): fact for fact in facts}


def score_of(board: "FollowedBoard", member: str, fact: Fact) -> Score | None:
    """Return the score to store; None, and a line in the log, for one that Redis would round."""
    try:
        return exact(fact.score)
    except InexactScore as error:
        trace.count("leaderboards.inexact")
        logger.error("Board %s does not follow %s: %s", board.name, member, error)
        return None


def per_chunk(windows: list[Window]) -> int:
    """Return of how many members a write takes all windows."""
    return max(1, MOST_PUTS // len(windows))


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Return *items* in lists of *size*."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def _put(board: "FollowedBoard", window: Window, member: str, fact: Fact | None) -> Put | None:
    """Return what to write; None for a score that cannot be written: an old one misleads less than none."""
    if fact is None:
        return Put(window, member, "remove")
    score = score_of(board, member, fact)
    return None if score is None else Put(window, member, "set", score, fact.stamp)


def _key(board: "FollowedBoard", member: str) -> Any:
    try:
        return board.members.key(member)
    except (ValueError, ValidationError):  # put there by somebody else: nothing is known of it
        return None


def _tell(board: "FollowedBoard", written: list[tuple[Put, Change | None]]) -> None:
    moment = now()
    for put, change in written:
        if change is None or not put.window.holds(moment):
            continue
        if (change.old_rank, change.old_score) != (change.new_rank, change.score):
            rank_changed.send_robust(
                sender=board.owner, board=board.name, window=put.window.name, member=put.member, change=change
            )
