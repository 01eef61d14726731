"""What one waits for until another rings, across threads and event loops."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress


class Bell:
    """Rung from any thread; waited for by one thread or by one task. A ring that comes first is not lost."""

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()
        self._wake: Callable[[], None] | None = None

    def ring(self) -> None:
        """Wake who waits, or who will. Ringing twice is ringing once."""
        with suppress(RuntimeError):
            self._silence.release()
        if (wake := self._wake) is not None:
            wake()

    def wait(self, seconds: float) -> bool:
        """Wait in this thread, at most *seconds*; returns whether it rang."""
        return self._silence.acquire(timeout=max(seconds, 0))

    async def wait_on_loop(self, seconds: float) -> bool:
        """The same on the running event loop."""
        loop = asyncio.get_running_loop()
        rung = loop.create_future()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(_settle, rung)

        self._wake = wake
        try:
            if not self._silence.acquire(blocking=False):
                await asyncio.wait([rung], timeout=max(seconds, 0))
                return self._silence.acquire(blocking=False)
            return True
        finally:
            self._wake = None


def _settle(rung: "asyncio.Future[None]") -> None:
    if not rung.done():
        rung.set_result(None)
