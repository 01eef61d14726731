"""Tasks that run for too long. In threads, one other thread looks at the clock."""

import asyncio
import ctypes
import math
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from queue import Empty, SimpleQueue

from django_redis_patterns.exceptions import TaskTimeout


def limited(seconds: float | None) -> AbstractContextManager[None]:
    """Raise `TaskTimeout` in this thread if the block takes longer. What it waits for outside of Python ends first."""
    return nullcontext() if seconds is None else _Alarm(seconds)


@asynccontextmanager
async def alimited(seconds: float | None) -> AsyncIterator[None]:
    """Do the same in a coroutine."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TaskTimeout(f"It ran for more than {seconds:g} s.") from error


class _Alarm(AbstractContextManager[None]):
    """Raises in the thread that is in it.

    The thread holds no lock of the clock's when it may be hit: it could not give that back.
    """

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds
        self.thread = threading.get_ident()
        self._text = f"It ran for more than {seconds:g} s."
        self._until_raised = threading.Lock()
        self._until_raised.acquire()

    def __enter__(self) -> None:
        clock.set(self)

    def __exit__(self, _: object, error: BaseException | None, trace: object) -> None:
        if clock.stop(self):
            return
        try:
            self._until_raised.acquire()
            for _ in range(2):  # if it is still on its way, it comes here: at the end of a round Python looks for it
                pass
        except TaskTimeout as late:
            late.args = (self._text,)
            raise
        if isinstance(error, TaskTimeout):
            error.args = (self._text,)

    def ring(self) -> None:
        """Raise. Only who has stopped it may."""
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread), ctypes.py_object(TaskTimeout))
        self._until_raised.release()


class Clock:
    """Rings alarms when their time has come."""

    def __init__(self) -> None:
        self._set: dict[_Alarm, None] = {}  # one of a thread, or a few
        self._sooner: SimpleQueue[None] = SimpleQueue()
        self._looks_at = math.inf
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def set(self, alarm: _Alarm) -> None:
        """Ring *alarm* at its time, unless it is stopped."""
        if self._thread is None:
            self._start()
        self._set[alarm] = None
        if alarm.at < self._looks_at:
            self._sooner.put(None)

    def stop(self, alarm: _Alarm) -> bool:
        """Return True to the first who asks: it will not ring, or may be rung."""
        return self._set.pop(alarm, self) is None

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="queues-timeouts", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            self._looks_at = math.inf  # what is set from now on is told
            first = min((alarm.at for alarm in list(self._set)), default=math.inf)
            self._looks_at = first
            with suppress(Empty):
                self._sooner.get(timeout=max(0.0, min(first - time.monotonic(), threading.TIMEOUT_MAX)))
            self._ring_all(time.monotonic())

    def _ring_all(self, now: float) -> None:
        for alarm in list(self._set):
            if alarm.at <= now and self.stop(alarm):
                alarm.ring()


clock = Clock()


def _start_anew() -> None:
    """A child has only the thread that forked, which may be in a block."""
    mine = [alarm for alarm in clock._set if alarm.thread == threading.get_ident()]
    clock.__init__()  # type: ignore[misc]
    clock._set.update(dict.fromkeys(mine))


os.register_at_fork(after_in_child=_start_anew)
