"""Which locks each thread or task is in: what `with` has entered and has to leave."""

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from weakref import ref

from django_redis_patterns.exceptions import LockError

from .held import Held
from .place import Place
from .watch import Watch

if TYPE_CHECKING:
    from .lock import Lock


class _Entry(NamedTuple):
    """References are weak: a block that a signal ended before it could be left must not keep its lock for ever. (The
    watch of a task holds its lock: a loop that is closed in the middle of a block keeps it until ``max_hold``.)"""

    lock: "ref[Lock]"
    held: ref[Held]
    watch: Watch | None


_entries: dict[object, list[_Entry]] = {}


def me() -> object:
    """Return the task that this is, or the thread."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return task or threading.current_thread()  # the number of a thread that ended goes to another


def push(lock: "Lock", held: Held, watch: Watch | None = None) -> None:
    """Note that this thread or task has entered *lock*."""
    _entries.setdefault(me(), []).append(_Entry(ref(lock), ref(held), watch))


def pop(lock: "Lock") -> Held:
    """Return what it holds of *lock*, which it leaves now."""
    return _pop(lock)[0]


def pop_watched(lock: "Lock") -> tuple[Held, Watch]:
    """The same for a task."""
    held, watch = _pop(lock)
    assert watch is not None
    return held, watch


def _pop(lock: "Lock") -> tuple[Held, Watch | None]:
    for who in (me(), *list(_entries)):  # a block may be left by another thread or task than has entered it
        mine = _entries.get(who, [])
        for place in reversed(range(len(mine))):
            if mine[place].lock() is lock and (held := mine[place].held()) is not None:
                watch = mine.pop(place).watch
                _forget_the_dead(who, mine)
                return held, watch
    raise LockError(f"Nobody has entered {lock!r}, or it was left before.")


def _forget_the_dead(who: object, mine: list[_Entry]) -> None:
    mine[:] = [entry for entry in mine if entry.held() is not None]
    if not mine:
        del _entries[who]


def common(places: Sequence[Place]) -> str:
    """Return the name of one of *places* that this thread or task is in already; "" if there is none."""
    wanted = set(places)
    for entry in _entries.get(me(), ()):
        held = entry.held()
        for lease in held.quorum.leases if held else ():
            if lease.place in wanted and not lease.loss:
                return lease.place.name
    return ""
