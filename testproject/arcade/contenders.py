"""Those who want through the turnstile: threads of this process that queue for one lock, hold it for a moment, leave.

What Redis says of the lock is what pages show, whichever process is in. Names, and what came of it, are known here for
those of this process only; others are shown as the lock knows them: "web3:812".
"""

import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, groupby

from arcade.bots import NAMES
from arcade.topics import LockTopic
from django_redis_patterns.core import trace
from django_redis_patterns.locks import Held, LockLost, LockTimeout, LockUnavailable, lock
from django_redis_patterns.locks.place import owner
from django_redis_patterns.locks.state import State, states
from django_redis_patterns.locks.turnstile import evict

TTL, HOLD, WAIT = 4.0, 2.5, 60.0  # s
MOST, BOTS, REMEMBERED = 12, 5, 8
TURNSTILE = lock("turnstile", ttl=TTL, wait=WAIT)
TOPIC = LockTopic(lock="turnstile")
_numbers = count(1)


class Full(Exception):
    """Nobody more may queue. The message is for the player."""


class Contender(threading.Thread):
    """Goes through the turnstile once and tells open pages.

    ``fate``: what came of it, "" until then. ``waited``, ``held``: seconds. ``left``: those that a vanished one's lock
    had left. ``told``: every command it took.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=f"contender-{name}", daemon=True)
        self.who, self.number = name, next(_numbers)
        self.fence, self.fate = 0, ""
        self.waited = self.held = self.left = 0.0
        self.told: list[trace.Told] = []
        self.is_in_line = False
        self._dies = threading.Event()

    def die(self) -> None:
        """Vanish with the lock in hand."""
        self._dies.set()

    def told_in_brief(self) -> list[tuple[str, int]]:
        """Return the commands in their order, and how often in a row each was sent."""
        return [(command, len(list(alike))) for command, alike in groupby(told.command for told in self.told)]

    def run(self) -> None:
        try:
            desk.note(self, self._fate())
            self._tell(self.fate)
            if self.left:
                time.sleep(self.left)  # then its time is up, which pages want to know though nobody may come in
                self._tell("expired")
        finally:
            desk.forget(self)

    def _fate(self) -> str:
        try:
            return self._go_through()
        except LockTimeout:
            return "gave up"
        except LockUnavailable:
            return "lost Redis"

    def _go_through(self) -> str:
        came = time.monotonic()
        with self._recorded():
            held = TURNSTILE.acquire()
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


class Desk:
    """Who of this process is on the way, in the order of the queue, and what became of the last ones."""

    def __init__(self) -> None:
        self._door, self._guard = threading.Lock(), threading.Lock()
        self._present: list[Contender] = []
        self._past: deque[Contender] = deque(maxlen=REMEMBERED)

    def present(self) -> list[Contender]:
        """Return those on the way, the vanished included until their time is up."""
        with self._guard:
            return list(self._present)

    def past(self) -> list[Contender]:
        """Return those who were through, the last one first."""
        with self._guard:
            return list(self._past)

    def admit(self, name: str) -> None:
        """Send *name* to the turnstile. Raises Full.

        One after the other, each when the one before stands in the queue, so that the order here is the one there.
        """
        with self._door:
            contender = Contender(name)
            with self._guard:
                if len(self._present) >= MOST:
                    raise Full(f"{MOST} are on their way already. Watch them, and try again in a moment.")
                self._present.append(contender)
            contender.start()
            self._await_in_line(contender)
        TOPIC.publish("queued", {"name": name})

    def admit_bots(self) -> int:
        """Send some bots to the turnstile, as many as may; returns how many. Raises Full when none may."""
        here = [contender.who for contender in self.present()]
        names = random.sample([name for name in NAMES if name not in here], BOTS)
        for sent, name in enumerate(names):
            try:
                self.admit(name)
            except Full:
                if not sent:
                    raise
                return sent
        return len(names)

    def kill(self, fence: int) -> str:
        """Let the holder with *fence* vanish; returns who that was, "" when none of this process is in by it."""
        for contender in self.present():
            if contender.fence == fence and not contender.fate:
                contender.die()
                return contender.who
        return ""

    def note(self, contender: Contender, fate: str) -> None:
        """Remember what became of *contender*."""
        with self._guard:
            contender.fate = fate
            self._past.appendleft(contender)

    def forget(self, contender: Contender) -> None:
        """Take *contender* off the list of those on the way."""
        with self._guard:
            self._present.remove(contender)

    def _await_in_line(self, contender: Contender) -> None:
        """Wait until Redis has as many in its queue as are waiting here; grants and ends reach Redis first."""
        for _ in range(100):
            waiting = [one for one in self.present() if not one.fence and not one.fate]
            if contender not in waiting or len(own_waiters(state())) >= len(waiting):
                break
            time.sleep(0.01)
        contender.is_in_line = True


def state() -> State:
    """Return who is in and who waits, as Redis has it."""
    (found,) = states(TURNSTILE.connection, [TURNSTILE.places()[0].keys])
    return found


def own_waiters(found: State) -> list[object]:
    """Return those of this process who wait."""
    return [waiter for waiter in found.waiters if waiter.owner == owner()]


def put_out(fence: int) -> bool:
    """Release the turnstile by force if the holder with *fence* is in; it is told. Returns whether it was."""
    is_in = any(holder.fence == fence for holder in state().holders)
    return is_in and bool(evict(TURNSTILE.places()[0]))


desk = Desk()
