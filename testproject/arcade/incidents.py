"""What consumers had in hand when they were killed, and what became of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import TypeAlias

from arcade.readers import Reader

#: A group, and an event of it.
Work: TypeAlias = tuple[str, str]
#: Returns what those consumers have in hand that are meant.
Look: TypeAlias = Callable[[Callable[[str], bool]], Set[Work]]


@dataclass(frozen=True)
class Incident:
    """A kill: of *what*, and the *work* that was in hand then."""

    what: str
    work: frozenset[Work]


def in_hand(readers: Iterable[Reader], is_meant: Callable[[str], bool]) -> Set[Work]:
    """Return what those consumers have in hand."""
    return {
        (reader.name, event)
        for reader in readers
        for event, one in reader.pending.items()
        if one.consumer and is_meant(one.consumer)
    }


def fates(incident: Incident, readers: Iterable[Reader], alive: Set[str]) -> Counter[str]:
    """Return what became of the work: "left" with the dead, "waits", "again" in hand, "done" or "dead" letters."""
    by_name = {reader.name: reader for reader in readers}
    return Counter(_fate(by_name[group], event, alive) for group, event in incident.work)


def _fate(reader: Reader, event: str, alive: Set[str]) -> str:
    state = reader.state(event)
    if state == "hand":
        return "again" if reader.hand(event) in alive else "left"
    return "waits" if state in ("retry", "turn") else state
