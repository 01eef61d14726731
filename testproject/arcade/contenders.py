"""Those who want through the turnstile: threads that queue for the lock, hold it for a moment, and leave."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, groupby
from typing import TypeAlias

from arcade.gate import HOLD, TOPIC, turnstile
from django_redis_patterns.core import trace
from django_redis_patterns.locks import Held, LockLost, LockTimeout, LockUnavailable

Report: TypeAlias = "Callable[[Contender], None]"
_numbers = count(1)


class Contender(threading.Thread):
    """Goes through the turnstile once and tells open pages.

    ``fate``: what came of it, "" until then. ``waited``, ``held``: seconds. ``left``: those that a vanished one's lock
    had left. ``told``: every command it took. ``on_fate`` is called when its fate is known, ``on_end`` at its very end.
    """

    def __init__(self, name: str, *, on_fate: Report, on_end: Report) -> None:
        super().__init__(name=f"contender-{name}", daemon=True)
        self.who, self.number = name, next(_numbers)
        self.fence, self.fate = 0, ""
        self.waited = self.held = self.left = 0.0
        self.told: list[trace.Told] = []
        self.is_in_line = False
        self._on_fate, self._on_end = on_fate, on_end
        self._dies = threading.Event()

    def die(self) -> None:
        """Vanish with the lock in hand."""
        self._dies.set()

    def told_in_brief(self) -> list[tuple[str, int]]:
        """Return the commands in their order, and how often in a row each was sent."""
        return [(command, len(list(alike))) for command, alike in groupby(told.command for told in self.told)]

    def run(self) -> None:
        try:
            self.fate = self._go()
            self._on_fate(self)
            self._tell(self.fate)
            if self.left:
                time.sleep(self.left)  # then its time is up, which pages want to know though nobody may come in
                self._tell("expired")
        finally:
            self._on_end(self)

    def _go(self) -> str:
        try:
            return self._go_through()
        except LockTimeout:
            return "gave up"
        except LockUnavailable:
            return "lost Redis"

    def _go_through(self) -> str:
        came = time.monotonic()
        with self._recorded():
            held = turnstile().acquire()
        entered = time.monotonic()
        self.waited, self.fence = entered - came, held.fence
        self._tell("entered")
        try:
            return self._stay(held, entered + HOLD)
        finally:
            self.held = time.monotonic() - entered

    def _stay(self, held: Held, until: float) -> str:
        while time.monotonic() < until:
            if self._dies.wait(0.05):
                self.left = held.remaining
                return "vanished"  # nobody has `held` any more, so nobody renews it
            if held.lost:
                return "put out"
        try:
            with self._recorded():
                held.release()
        except LockLost:
            return "put out"
        return "left"

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        with trace.record() as log:
            yield
        self.told += log.commands

    def _tell(self, what: str) -> None:
        TOPIC.publish(what, {"name": self.who, "fence": str(self.fence)})  # JavaScript's numbers end before fences do
