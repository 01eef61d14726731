"""Where contenders are sent from: at most so many at once, and known by name on the way and for a while after.

What Redis says of the lock is what pages show, whichever process is in. Names, and what came of it, are known here for
those of this process only; others are shown as the lock knows them: "web3:812".
"""

import random
import threading
import time
from collections import deque

from arcade.actions import Refused
from arcade.bots import NAMES
from arcade.contenders import Contender
from arcade.gate import TOPIC, own_waiters, state

MOST, BOTS, REMEMBERED = 12, 5, 8


class Full(Refused):
    """Nobody more may queue."""


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
            contender = Contender(name, on_fate=self._note, on_end=self._forget)
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
            if contender.fence == fence != 0 and not contender.fate:
                contender.die()
                return contender.who
        return ""

    def _await_in_line(self, contender: Contender) -> None:
        """Wait until Redis has as many in its queue as are waiting here; grants and ends reach Redis first."""
        for _ in range(100):
            waiting = [one for one in self.present() if not one.fence and not one.fate]
            if contender not in waiting or len(own_waiters(state())) >= len(waiting):
                break
            time.sleep(0.01)
        contender.is_in_line = True

    def _note(self, contender: Contender) -> None:
        with self._guard:
            self._past.appendleft(contender)

    def _forget(self, contender: Contender) -> None:
        with self._guard:
            self._present.remove(contender)


desk = Desk()
