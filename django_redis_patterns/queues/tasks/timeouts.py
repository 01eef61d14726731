"""Tasks that run for too long, in threads: one other thread looks at the clock."""

import ctypes
import heapq
import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django_redis_patterns.exceptions import TaskTimeout


class Clock:
    """Raises `TaskTimeout` in threads whose time is up."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._alarms: list[tuple[float, int, int]] = []  # when, number, thread
        self._open: set[int] = set()
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Raise in this thread if the block takes longer. What it waits for outside of Python ends first."""
        number = next(self._numbers)
        with self._changed:
            heapq.heappush(self._alarms, (time.monotonic() + seconds, number, threading.get_ident()))
            self._open.add(number)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="queues-timeouts", daemon=True)
                self._thread.start()
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:  # it is raised under this guard, so not after the block
                self._open.discard(number)

    def _work(self) -> None:
        with self._changed:
            while True:
                pause = self._alarms[0][0] - time.monotonic() if self._alarms else None
                if pause is None or pause > 0:
                    self._changed.wait(pause)
                else:
                    _, number, thread = heapq.heappop(self._alarms)
                    if number in self._open:
                        self._open.discard(number)
                        _raise_in(thread)


def _raise_in(thread: int) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(TaskTimeout))


clock = Clock()


def _start_anew() -> None:
    clock.__init__()  # type: ignore[misc]


os.register_at_fork(after_in_child=_start_anew)
