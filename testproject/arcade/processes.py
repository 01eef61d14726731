"""The processes that consume: where they run, and what they have in hand."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from arcade.crew import crew
from arcade.machines import pid_of
from arcade.readers import Reader

COLOURS = 6
_colours: dict[str, int] = {}
_guard = threading.Lock()


@dataclass(frozen=True)
class Process:
    """One of them, dead ones included until all that they had is taken over. ``hands``: group and number of events.

    ``lease``: seconds until it counts as dead, which a supervisor prolongs; ``machine`` is 0 for one that is elsewhere.
    """

    name: str
    machine: int
    is_alive: bool
    lease: float
    hands: tuple[tuple[str, int], ...]
    colour: int

    @property
    def pid(self) -> int:
        """Its number."""
        return pid_of(self.name)

    @property
    def look(self) -> str:
        """How what it has in hand is drawn."""
        return f"c{self.colour}" if self.is_alive else "gone"


def processes(readers: Iterable[Reader], leased: Iterable[str]) -> list[Process]:
    """Return the processes that take part in a group, and those of the machines that are *leased*, by their numbers."""
    rows = [(reader, consumer) for reader in readers if reader.lag for consumer in reader.lag.consumers]
    idle = {name for name in leased if _is_alive(name, 0.0)}
    names = sorted(idle.union(consumer.name for _, consumer in rows), key=pid_of)
    colours = _paint(names)
    found = []
    for name in names:
        mine = [(reader.title, one) for reader, one in rows if one.name == name]
        lease = max((one.lease for _, one in mine), default=0.0)
        hands = tuple((title, one.pending) for title, one in mine if one.pending)
        if (is_alive := _is_alive(name, lease)) or hands:
            found.append(Process(name, crew.home_of(name), is_alive, lease, hands, colours[name]))
    return found


def _is_alive(name: str, lease: float) -> bool:
    """Return whether it runs; of a process that is elsewhere nobody here knows more than its lease."""
    home = crew.home_of(name)
    return crew.machines[home].runs(name) if home in crew.machines else lease > 0


def _paint(names: Sequence[str]) -> dict[str, int]:
    """Give each a colour that no other has, as far as there are enough, and that it keeps."""
    with _guard:
        for name in _colours.keys() - set(names):
            del _colours[name]
        for name in names:
            if name not in _colours:
                free = set(range(COLOURS)) - set(_colours.values())
                _colours[name] = min(free, default=len(_colours) % COLOURS)
        return _colours.copy()
