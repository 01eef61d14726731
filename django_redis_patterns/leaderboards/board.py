"""What a board is and how it is written: its options, its windows, and the one script that changes it."""

import difflib
from collections.abc import Sequence
from copy import copy
from datetime import datetime, tzinfo
from typing import Any, Literal, Self, TypeAlias
from zoneinfo import ZoneInfo

from django.utils import timezone

from django_redis_patterns.conf import settings
from django_redis_patterns.core.operations import IO
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.exceptions import InexactScore

from . import layout, windows
from .entries import Change, Mode, Put, Ties, changes
from .members import Members
from .windows import ALL, WINDOWS, Window

Order: TypeAlias = Literal["desc", "asc"]
Tiebreak: TypeAlias = Literal["first"]
Aggregate: TypeAlias = Literal["last", "best", "sum"]

WRITE = Script("write.lua")
MOST_PUTS = 500  # of a script that nobody waits for: Redis serves others in between
MODES: dict[str, Mode] = {"last": "set", "best": "best", "sum": "sum"}
OPTIONS: dict[str, tuple[Any, ...]] = {
    "order": ("desc", "asc"),
    "ties": ("ordinal", "competition", "dense"),
    "tiebreak": (None, "first"),
    "aggregate": tuple(MODES),
    "window": WINDOWS,
}


class Board:
    """The options of a board, seen through one of its windows. `Leaderboard` is what to use."""

    def __init__(
        self,
        name: str,
        *,
        order: Order = "desc",
        ties: Ties = "ordinal",
        tiebreak: Tiebreak | None = None,
        aggregate: Aggregate = "last",
        windows: Sequence[str] = (ALL,),
        tz: str | tzinfo | None = None,
        keep: int = 1,
        connection: str | None = None,
    ) -> None:
        self.name, self.keep = name, keep
        self.order, self.ties, self.tiebreak, self.aggregate = order, ties, tiebreak, aggregate
        self.windows = (windows,) if isinstance(windows, str) else tuple(windows)
        self._check()
        self.members = Members()
        self.shown = ALL if ALL in self.windows else self.windows[0]
        self.at: datetime | None = None
        self._tz = ZoneInfo(tz) if isinstance(tz, str) else tz
        self._connection = connection
        self._live: dict[tuple[str, tzinfo], Window] = {}

    def _check(self) -> None:
        if not self.name or not self.windows or len(set(self.windows)) < len(self.windows) or self.keep < 0:
            raise ValueError("A board has a name, at least one window, each once, and keeps 0 or more past ones.")
        for option in ("order", "ties", "tiebreak", "aggregate"):
            _known(option, getattr(self, option), OPTIONS[option])
        for window in self.windows:
            _known("window", window, WINDOWS)

    def __repr__(self) -> str:
        at = f", at={self.at.isoformat()}" if self.at else ""
        return f"<{type(self).__name__} {self.name!r}, window {self.shown!r}{at}>"

    @property
    def connection(self) -> str:
        """The alias of the connection that holds the board."""
        return self._connection or settings().leaderboards.connection

    @property
    def tz(self) -> tzinfo:
        """The time zone of its windows."""
        return self._tz or timezone.get_default_timezone()

    def window(self, name: str, *, at: datetime | None = None) -> Self:
        """Return this board seen through another window: the present one, or the one that holds the moment *at*.

        A window of another time is read only. Raises ValueError for a window that this board does not have, for one
        that it has forgotten, and at the ends of the calendar.
        """
        _known("window", name, self.windows)
        view = copy(self)
        view.shown, view.at = name, None if at is None else windows.aware(at)
        try:
            expires = view.shown_window().expires_ms
        except OverflowError as error:
            raise ValueError(f"{at} is too near to an end of the calendar.") from error
        if expires and expires <= windows.now().timestamp() * 1000:
            raise ValueError(f"Board {self.name!r} keeps {self.keep} past windows; the {name} of {at} is older.")
        return view

    def shown_window(self) -> Window:
        """Return the window that is shown."""
        if self.at is None:
            return self.window_now(self.shown)
        return windows.window_at(self.shown, self.at, self.tz, self.keep)

    def window_now(self, name: str) -> Window:
        """Return the present window of that name."""
        return self._held(name, windows.now(), self.tz)

    def windows_now(self) -> list[Window]:
        """Return the present windows, in which a score counts that is reached now."""
        moment, tz = windows.now(), self.tz
        return [self._held(name, moment, tz) for name in self.windows]

    def windows_kept(self) -> list[Window]:
        """Return every window that Redis may hold: of each name the past ones that are kept, this and the next."""
        return windows.kept_at(self.windows, windows.now(), self.tz, self.keep)

    def keys(self, window: Window | None = None) -> layout.Keys:
        """Return the keys of *window*, else of the shown one."""
        return layout.keys(self.name, self.shown_window() if window is None else window)

    async def write(self, io: IO, puts: Sequence[Put], ticket: int = 0) -> list[Change | None]:
        """Do all *puts*, or none; returns what each changed, by the ranks before and after all of them. One trip.

        With a *ticket* a put whose member a higher ticket has written is dropped: None. Raises `InexactScore` when a
        sum would be rounded.
        """
        if not puts:
            return []
        numbers: dict[layout.Keys, int] = {}
        expires: list[int] = []
        flat: list[Any] = []
        for put in puts:
            keys = self.keys(put.window)
            if keys not in numbers:
                numbers[keys] = len(numbers) + 1
                expires.append(put.window.expires_ms)
            flat += (numbers[keys], put.member, put.mode, put.score, "" if put.stamp is None else put.stamp)
        names = [layout.tickets_key(self.name), *(key for keys in numbers for key in keys)]
        reply = await io.run(WRITE, keys=names, args=[*self._options, ticket, *expires, *flat])
        if isinstance(reply, int):
            raise _refusal(puts[reply - 1])
        return changes(reply)

    async def forget(self, io: IO, texts: Sequence[str]) -> None:
        """Remove members, whose rows are gone, from every window that Redis may hold."""
        puts = [Put(window, text, "remove") for window in self.windows_kept() for text in texts]
        for start in range(0, len(puts), MOST_PUTS):
            await self.write(io, puts[start : start + MOST_PUTS])

    def _held(self, name: str, moment: datetime, tz: tzinfo) -> Window:
        found = self._live.get((name, tz))
        if found is None or not found.holds(moment):
            found = self._live[name, tz] = windows.window_at(name, moment, tz, self.keep)
        return found

    @property
    def _options(self) -> tuple[str, str, str]:
        return (self.order, self.ties, self.tiebreak or "")


def _known(option: str, value: Any, known: Sequence[Any]) -> None:
    if value not in known:
        close = difflib.get_close_matches(str(value), [str(one) for one in known], n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(map(repr, known))}."
        raise ValueError(f"{option} {value!r} is unknown. {hint}")


def _refusal(put: Put) -> InexactScore:
    return InexactScore(
        f"{put.score!r} more would take {put.member!r} beyond ±2**53 in the window {put.window.name!r}, where Redis "
        "rounds. Nothing was written."
    )
