"""The boards as pages show them: every window's best, and the player's neighbours, in one round trip."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser, User

from arcade.models import Play
from django_redis_patterns.core.operations import Pending, batch
from django_redis_patterns.leaderboards import Entry

WINDOWS = {"day": "Today", "week": "This week", "all": "All time"}
BEST, NEIGHBOURS = 10, 2
Visitor = User | AnonymousUser


@dataclass(frozen=True)
class Board:
    """One window: its best, and the rows around the player, unless they are among the best."""

    window: str
    title: str
    top: Sequence[Entry]
    around: Sequence[Entry]
    is_mine: bool


def boards(visitor: Visitor, windows: Iterable[str] = WINDOWS) -> list[Board]:
    """Return the boards of *windows* as *visitor* sees them."""
    with batch() as together:
        pending = [_pending(together, name, visitor) for name in windows]
    return [_board(name, top.value, around.value if around else [], visitor) for name, top, around in pending]


def today(visitor: Visitor) -> Board:
    """Return today's board."""
    return boards(visitor, ["day"])[0]


def ranks(player: User) -> dict[str, int | None]:
    """Return the player's rank by the title of the window."""
    with batch() as together:
        found = {title: together(Play.leaderboard.window(name).rank, player) for name, title in WINDOWS.items()}
    return {title: rank.value for title, rank in found.items()}


def _pending(together: batch, name: str, visitor: Visitor) -> tuple[str, Pending[Any], Pending[Any] | None]:
    view = Play.leaderboard.window(name)
    top = together(view.top, BEST)
    return name, top, together(view.around, visitor, NEIGHBOURS) if visitor.is_authenticated else None


def _board(name: str, top: Sequence[Entry], around: Sequence[Entry], visitor: Visitor) -> Board:
    is_among_them = any(entry.obj == visitor for entry in top)
    return Board(name, WINDOWS[name], top, [] if is_among_them else around, is_mine=is_among_them or bool(around))
