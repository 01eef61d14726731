"""The place of one child: when it dies, another takes it, sooner or later."""

import os
import subprocess
import sys
import time

from .backoff import exponential
from .identity import name_of
from .lifeline import Lifeline
from .signals import kept_back

#: A child that lived for so many seconds was well. The first that was not is replaced at once, the next one later.
WELL = 10.0
PAUSES = exponential(0.5, max=30.0)


class Post:
    """Empty, or with a child in it, whose name is ``name``."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._failures = 0
        self.name = ""
        self.is_at_work = False
        self.pause = self.starts_at = 0.0

    @property
    def is_filled(self) -> bool:
        """Whether there is a child."""
        return self._child is not None

    def fill(self) -> None:
        """Start a child. It does nothing until it is told to `go`."""
        self.line, far = Lifeline.pair()
        try:
            words = [sys.executable, *sys.orig_argv[1:], "--child", str(far)]
            with kept_back():
                self._child = subprocess.Popen(words, pass_fds=[far], stdin=subprocess.DEVNULL)
        finally:
            os.close(far)
        self._began = time.monotonic()
        self.name, self.is_at_work = name_of(self._child.pid), False

    def go(self) -> None:
        """Let it work: its lease is held."""
        if not self.is_at_work:
            self.is_at_work = True
            self.line.say(f"go {self.name}")

    def say(self, order: str) -> None:
        """Tell it to "drain", to "leave", or to "look" for what somebody has left."""
        if self.is_filled:
            self.line.say(order)

    def kill(self) -> None:
        """Kill it."""
        if self._child is not None:
            self._child.kill()

    def reap(self) -> int | None:
        """Return how the child has ended, if it has just done so; then the post is empty, and knows until when."""
        if self._child is None or (code := self._child.poll()) is None:
            return None
        self._child = None
        self.line.close()
        now = time.monotonic()
        self._failures = 0 if code == 0 or now - self._began >= WELL else self._failures + 1
        self.pause = PAUSES.after(self._failures - 1) if self._failures > 1 else 0.0
        self.starts_at = now + self.pause
        return code
