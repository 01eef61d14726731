"""Copies of results in this process: bounded, each dropped the moment somebody says that it is not good any more."""

import pickle
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from django_redis_patterns.conf import settings
from django_redis_patterns.core import trace

from .entry import Hit

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # monotonic() stands still in a suspend
_UNCHANGING = (int, str, float, bool, bytes, type(None), Decimal, UUID, date, datetime, timedelta)
#: Bytes that a copy takes beside its value, and each of its tags.
_OVERHEAD = 500


def clock() -> float:
    """Return seconds that also pass while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


class Source(Protocol):
    """Where it is heard that a copy is not good any more."""

    def is_live(self, now: float) -> bool:
        """Return whether all that was said until a moment ago has been heard."""


@dataclass(slots=True, eq=False)
class Copy:
    """One value, until when it is good, its tags, and where changes of it are heard."""

    value: Any
    data: bytes | None  # what may be changed by who gets it is kept as bytes
    until: float
    tags: Sequence[str]
    sources: Sequence[Source]
    is_used: bool = False

    def is_good(self, now: float) -> bool:
        """Return whether there is no doubt about it."""
        for source in self.sources:
            if not source.is_live(now):
                return False
        return now < self.until

    @property
    def size(self) -> int:
        kept = self.data if self.data is not None else self.value
        return _OVERHEAD * (1 + len(self.tags)) + sys.getsizeof(kept)


class Fill:
    """A value on its way here. What is dropped meanwhile, under any of its names, does not arrive."""

    def __init__(self, copies: "Copies", name: str, tags: Sequence[str], sources: Sequence[Source]) -> None:
        self.copies, self.name, self.tags, self.sources = copies, name, tags, sources
        self.is_spoilt = False

    def offer(self, value: Any, left_ms: int) -> None:
        """Keep a copy of *value* for so long."""
        is_plain = type(value) in _UNCHANGING
        data = None if is_plain else pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        until = clock() + left_ms / 1000
        self.copies.keep(self, Copy(value if is_plain else None, data, until, self.tags, self.sources))


class Copies:
    """The copies of one connection. Threads and event loops share them; a listener's thread drops them.

    Who looks takes no lock and moves nothing: it finds a copy or does not. Room is made as by the hand of a clock that
    passes over each copy once for having been used (F. J. Corbato, "A Paging Experiment with the Multics System").
    """

    def __init__(self) -> None:
        self._copies: OrderedDict[str, Copy] = OrderedDict()
        self._tagged: dict[str, set[str]] = {}
        self._fills: dict[str, set[Fill]] = {}
        self._guard = threading.RLock()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._copies)

    def find(self, name: str) -> Hit | None:
        """Return the copy if there is no doubt about it."""
        copy = self._copies.get(name)
        if copy is None:
            return None
        if not copy.is_good(clock()):
            with self._guard:
                if self._copies.get(name) is copy:
                    self._remove(name)
            return None
        copy.is_used = True
        return Hit(copy.value) if copy.data is None else self._made(name, copy.data)

    def _made(self, name: str, data: bytes) -> Hit | None:
        try:
            return Hit(pickle.loads(data))  # made here
        except Exception:  # some classes can be pickled and not unpickled
            trace.count("caching.undecodable")
            self.drop([name])
            return None

    @contextmanager
    def filling(self, name: str, tags: Sequence[str], sources: Sequence[Source]) -> Iterator[Fill]:
        """Take note of what is dropped from now on, before the value is read."""
        fill = Fill(self, name, tags, sources)
        with self._guard:
            for one in (name, *tags):
                self._fills.setdefault(one, set()).add(fill)
        try:
            yield fill
        finally:
            with self._guard:
                for one in (name, *tags):
                    self._forget_fill(one, fill)

    def keep(self, fill: Fill, copy: Copy) -> None:
        """Keep a copy, unless it was dropped on its way or somebody cannot be heard."""
        now, limits = clock(), settings().caching
        with self._guard:
            if fill.is_spoilt or not copy.is_good(now):
                return
            self._remove(fill.name)
            self._copies[fill.name] = copy
            self.bytes += copy.size
            for tag in copy.tags:
                self._tagged.setdefault(tag, set()).add(fill.name)
            while len(self._copies) > limits.near_entries or self.bytes > limits.near_bytes:
                self._make_room()

    def drop(self, names: Iterable[str], *, but: Fill | None = None) -> None:
        """Drop copies by their names or tags, and spoil those on their way *but* one."""
        with self._guard:
            for name in names:
                for fill in self._fills.get(name, ()):
                    fill.is_spoilt = fill.is_spoilt or fill is not but
                for one in (name, *self._tagged.get(name, ())):
                    self._remove(one)

    def clear(self) -> None:
        """Drop everything."""
        with self._guard:
            self._copies.clear()
            self._tagged.clear()
            self.bytes = 0
            for fills in self._fills.values():
                for fill in fills:
                    fill.is_spoilt = True

    def _make_room(self) -> None:
        name, copy = next(iter(self._copies.items()))
        if copy.is_used:
            copy.is_used = False
            self._copies.move_to_end(name)
        else:
            self._remove(name)

    def _remove(self, name: str) -> None:
        copy = self._copies.pop(name, None)
        if copy is None:
            return
        self.bytes -= copy.size
        for tag in copy.tags:
            names = self._tagged.get(tag, set())
            names.discard(name)
            if not names:
                self._tagged.pop(tag, None)

    def _forget_fill(self, name: str, fill: Fill) -> None:
        fills = self._fills.get(name, set())
        fills.discard(fill)
        if not fills:
            self._fills.pop(name, None)
