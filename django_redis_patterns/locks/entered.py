"""Which locks each thread or task is in: what `with` has entered and has to leave."""

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from .held import Held
from .place import Place
from .watch import Watch

if TYPE_CHECKING:
    from .lock import Lock


class _Entry(NamedTuple):
    lock: "Lock"
    held: Held
    watch: Watch | None


_entries: dict[object, list[_Entry]] = {}


def _me() -> object:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return task or threading.get_ident()


def push(lock: "Lock", held: Held, watch: Watch | None = None) -> None:
    """Note that this thread or task has entered *lock*."""
    _entries.setdefault(_me(), []).append(_Entry(lock, held, watch))


def pop(lock: "Lock") -> Held:
    """Return what it holds of *lock*, which it leaves now."""
    return _pop(lock).held


def pop_watched(lock: "Lock") -> tuple[Held, Watch]:
    """The same for a task."""
    entry = _pop(lock)
    assert entry.watch is not None
    return entry.held, entry.watch


def _pop(lock: "Lock") -> _Entry:
    mine = _entries[_me()]
    place = next(i for i in reversed(range(len(mine))) if mine[i].lock is lock)
    entry = mine.pop(place)
    if not mine:
        del _entries[_me()]
    return entry


def common(places: Sequence[Place]) -> str:
    """Return the name of one of *places* that this thread or task is in already; "" if there is none."""
    wanted = set(places)
    for entry in _entries.get(_me(), ()):
        for lease in entry.held.quorum.leases:
            if lease.place in wanted and not lease.loss:
                return lease.place.name
    return ""
