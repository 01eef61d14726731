"""The picture of the log: its newest entries from left to right, and below each what every group has made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from arcade.readers import Reader
from arcade.sprites import hue
from django_redis_patterns.streams.ids import time_of

LENGTH = 60


@dataclass(frozen=True)
class Entry:
    """One entry of the log as it lies there. ``only_for``: the group that it was redriven for, "" for all."""

    id: str
    data: dict[str, Any]
    only_for: str = ""

    @property
    def name(self) -> str:
        """Who has played."""
        return str(self.data.get("name", ""))

    @property
    def hue(self) -> int:
        """The player's colour."""
        return hue(self.name)

    @property
    def at(self) -> datetime:
        """When it was appended, by the clock of Redis."""
        return time_of(self.id)


@dataclass(frozen=True)
class Cell:
    """What a group has made of an entry: a state of `Reader`, "unread", "redriven", or "none" if it is not for it.

    ``look``: whose hand it is in, which is "gone" when that is a dead one's.
    """

    state: str
    look: str = ""


@dataclass(frozen=True)
class Track:
    """The cells of one group."""

    reader: Reader
    cells: list[Cell]

    def told(self) -> str:
        """Return the picture in words."""
        states = ["gone" if cell.look == "gone" else cell.state for cell in self.cells]
        found = [(states.count(state), *words) for state, words in WORDS.items()]
        return ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in found if count) or "nothing"


#: What one event of a state is, and what more than one are.
WORDS = {
    "done": ("done", "done"),
    "hand": ("in hand", "in hand"),
    "gone": ("in a dead one’s hand", "in a dead one’s hand"),
    "retry": ("waiting for a retry", "waiting for a retry"),
    "turn": ("waiting for its turn", "waiting for their turn"),
    "dead": ("dead letter", "dead letters"),
    "redriven": ("redriven", "redriven"),
    "unread": ("unread", "unread"),
}


def track(reader: Reader, entries: Sequence[Entry], looks: Mapping[str, str]) -> Track:
    """Return what *reader* has made of *entries*; *looks* are those of consumers, by name."""
    unread_from = max(len(entries) - reader.unread, 0)
    states = [
        "unread" if place >= unread_from and _is_for(entry, reader) else _state(entry, reader, entries[place + 1 :])
        for place, entry in enumerate(entries)
    ]
    hands = [looks.get(reader.hand(entry.id), "") for entry in entries]
    return Track(reader, [Cell(*both) for both in zip(states, hands, strict=True)])


def _is_for(entry: Entry, reader: Reader) -> bool:
    return entry.only_for in ("", reader.name)


def _state(entry: Entry, reader: Reader, later: Sequence[Entry]) -> str:
    if not _is_for(entry, reader):
        return "none"
    state = reader.state(entry.id)
    return "redriven" if state == "done" and _has_copy(entry, later, reader.name) else state


def _has_copy(entry: Entry, later: Sequence[Entry], group: str) -> bool:
    return any(one.only_for == group and one.data == entry.data for one in later)
