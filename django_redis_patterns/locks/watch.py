"""Tells an async holder that its lock is lost: its body is cancelled, as `asyncio.timeout` would."""

import asyncio
from contextlib import suppress

from .held import Held


class Watch:
    """Watches one lock for the current task, from when it is made until `end`."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("A lock is held by a task: use it in a coroutine that runs as one.")
        self._task = task
        self._cancelling = task.cancelling()
        self._has_cancelled = False
        held.quorum.watch(self._changed)
        self._timer = self._loop.call_later(held.remaining, self._look)

    def end(self) -> bool:
        """Stop watching. Returns whether the body was cancelled by us, and by nobody else."""
        self._held.quorum.watch(None)
        self._timer.cancel()
        return self._has_cancelled and self._task.uncancel() <= self._cancelling

    def _changed(self) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        """Cancel the body if the lock is lost; look again when its time would be up."""
        self._timer.cancel()
        if self._held.lost:
            if not self._has_cancelled:
                self._has_cancelled = True
                self._task.cancel(f"the lock {self._held.name!r} was lost")
        else:
            self._timer = self._loop.call_later(self._held.remaining + 0.001, self._look)
