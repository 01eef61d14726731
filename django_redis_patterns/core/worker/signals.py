"""Signals as input that one can wait for, beside sockets."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import local
from types import FrameType
from typing import Any, Self


def _noted(number: int, frame: FrameType | None) -> None:
    """Do nothing: Python has written the number to the wake-up socket. What handlers start does not inherit it."""


#: What asks a program to end. SIGINT and SIGHUP go to all who hang on a terminal.
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def kept_back() -> Iterator[None]:
    """Let what asks for the end wait: in this thread for the block, in a program that it starts for its `Signals`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Signals:
    """Catches `ENDS`, and *more*, while it is entered. Select it, and `read` what came. For the main thread."""

    def __init__(self, *more: int) -> None:
        self._numbers = (*ENDS, *more)
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        _entered.append(self)
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self._fd_before = signal.set_wakeup_fd(self._far.fileno(), warn_on_full_buffer=False)
        self._before = [signal.signal(number, _noted) for number in self._numbers]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._numbers)
        return self

    def __exit__(self, *_: object) -> None:
        self.forget()
        _entered.remove(self)
        self._near.close()
        self._far.close()

    def forget(self) -> None:
        """Let signals mean what they meant before."""
        for number, handler in zip(self._numbers, self._before, strict=True):
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._fd_before)

    def fileno(self) -> int:
        """What to select."""
        return self._near.fileno()

    def wake(self) -> None:
        """End the wait, from any thread."""
        with suppress(OSError):  # it is full of wakes, or closed
            self._far.send(b"\0")

    def read(self) -> list[int]:
        """Return the numbers that came, in order, without those that nobody asked for."""
        came = b""
        with suppress(BlockingIOError):
            came = self._near.recv(1024)
        return [number for number in came if number in self._numbers]


_entered: list[Signals] = []
_forking = local()  # what a thread that forks listened to before


def _hold_still() -> None:
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)


def _go_on() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _mind_own_business() -> None:
    """In a process that a handler has forked: what it is told concerns nobody else, and may end it."""
    for signals in _entered:
        signals.forget()
    _entered.clear()
    _go_on()


os.register_at_fork(before=_hold_still, after_in_parent=_go_on, after_in_child=_mind_own_business)
