"""The way out to one client: frames wait in the outbox, a task sends them, and hanging up never blocks anybody."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from .outbox import Outbox

logger = logging.getLogger("django_redis_patterns.realtime")

GONE = 1006  # the code of a connection that ended without a close frame
PATIENCE = 5.0  # seconds; a client that does not read does not take the close frame either


class Line:
    """Sends to one client. One task does, for the life of the socket: a task for each message keeps the garbage
    collector busy, which shows when one message goes to hundreds of sockets.

    *send* and *close* are the server's. ``over`` is done, with the code, when the line was hung up or is broken.
    """

    def __init__(
        self, outbox: Outbox, send: Callable[[str], Awaitable[None]], close: Callable[[int], Awaitable[None]]
    ) -> None:
        self.over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._outbox, self._send, self._close = outbox, send, close
        self._filled = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[None] | None = None

    def put(self, text: str) -> bool:
        """Send *text* soon, or return False because too much waits already."""
        if not self._outbox.put(text):
            return False
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        self._filled.set()
        return True

    def hang_up(self, code: int) -> None:
        """Close with *code*, without sending what waits."""
        self._outbox.clear()
        if self._closer is None:
            self._closer = asyncio.create_task(self._hang_up(code))

    async def stop(self) -> None:
        """End its tasks."""
        self._outbox.clear()
        await cancel(self._writer, self._closer)

    async def _write(self) -> None:
        try:
            while await self._filled.wait():
                self._filled.clear()
                while self._outbox:
                    await self._send(self._outbox.take())
        except (OSError, RuntimeError) as error:  # how servers say that the client has gone
            logger.debug("A websocket is gone: %s", error)
            self._finish(GONE)

    async def _hang_up(self, code: int) -> None:
        try:
            await cancel(self._writer)
            await asyncio.wait_for(self._close(code), PATIENCE)
        except (OSError, RuntimeError) as error:  # it has gone, or does not read
            logger.debug("A websocket did not take its close frame: %r", error)
        finally:
            self._finish(code)

    def _finish(self, code: int) -> None:
        if not self.over.done():
            self.over.set_result(code)


async def cancel(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel those that run and wait until they have ended."""
    running = [task for task in tasks if task is not None and not task.done()]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
