"""The subscriber of an event loop."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Any

from django_redis_patterns.core.connections.clients import abandon, on_adisconnect, on_reset
from django_redis_patterns.core.connections.options import target
from django_redis_patterns.exceptions import RedisUnavailable

from .channels import TICK, WAIT, Channels, Listener, Subscription
from .link import READ_SIZE, aconnection
from .resp import Replies

#: Replies taken in one go: in a burst, those who pass messages on must get their turn before their outboxes are full.
BREATHE_EVERY = 16


class AsyncSubscriber:
    """Listens on one connection for everybody on its event loop. To be used there only."""

    def __init__(self, alias: str, loop: asyncio.AbstractEventLoop) -> None:
        self._alias = alias
        self._loop = loop
        self._channels = Channels(alias)
        self._task: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._is_flush_due = False

    async def subscribe(self, channel: str, listener: Listener, *, wait: float | None = WAIT) -> Subscription:
        """Let *listener* hear *channel*; returns when Redis has confirmed.

        Raises `RedisUnavailable` when that takes more than *wait* seconds (None: waits for ever), and `RedisDenied`.
        """
        confirmed: asyncio.Future[Exception | None] = self._loop.create_future()
        subscription = Subscription(channel, listener, partial(_settle, confirmed), self._leave)
        self._channels.add(subscription)
        self._start()
        try:
            async with asyncio.timeout(wait):
                error = await confirmed
        except TimeoutError:
            subscription.close()
            raise RedisUnavailable(self._alias, f"nothing was heard for {wait:g} s", ambiguous=True) from None
        except BaseException:
            subscription.close()
            raise
        if error is not None:
            raise error
        return subscription

    def close(self) -> None:
        """Stop, from any thread."""
        if self._loop.is_closed():
            self._abandon()
        else:
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                self._loop.call_soon_threadsafe(self._stop)

    async def aclose(self) -> None:
        """Stop, and return when the connection is closed."""
        task = self._task
        self._stop()
        if task is not None:
            await asyncio.wait([task])
            await asyncio.sleep(0)  # noqa: TID251  asyncio closes a socket in the loop's next round

    def _stop(self) -> None:
        self._channels.close()
        if self._task is not None:
            self._task.cancel()

    def _abandon(self) -> None:
        """End a task whose loop is gone, while there is somebody to hear its complaints."""
        if self._task is not None and not self._task.done():
            with contextlib.suppress(RuntimeError):
                self._task.get_coro().close()

    def _leave(self, subscription: Subscription) -> None:
        self._channels.drop(subscription)

    def _start(self) -> None:
        if self._task is None or self._task.done():
            # Not in the caller's context, which is one request's.
            self._task = self._loop.create_task(self._run(), context=Context())
            self._task._log_destroy_pending = False  # type: ignore[attr-defined]
        elif not self._is_flush_due:
            # In the loop's next round, for all who subscribe in this one.
            self._is_flush_due = True
            self._loop.call_soon(self._flush, context=Context())

    def _flush(self) -> None:
        self._is_flush_due = False
        if self._writer is not None and (commands := self._channels.outgoing()):
            self._writer.write(commands)

    async def _run(self) -> None:
        attempt = 0
        while not self._channels.is_idle:
            try:
                await self._serve(attempt)
            except Exception as error:
                attempt += 1
                await asyncio.sleep(self._channels.failed(error))  # noqa: TID251  this is no operation

    async def _serve(self, attempt: int) -> None:
        connection = await aconnection(self._alias, attempt)
        try:
            await connection.connect()
            self._writer = connection._writer
            await self._listen(connection._reader)
        finally:
            self._writer = None
            self._channels.disconnected()
            self._hang_up(connection)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        replies = Replies()
        self._channels.connected()
        self._flush()
        ticking = _Ticking(self._loop, self._tick)
        try:
            while not self._channels.is_idle:
                data = await reader.read(READ_SIZE)
                if not data:
                    raise ConnectionError("the server closed the connection")
                for number, reply in enumerate(replies.feed(data), 1):
                    self._channels.received(reply)
                    if number % BREATHE_EVERY == 0:
                        await asyncio.sleep(0)  # noqa: TID251  this is no operation
                self._flush()
        finally:
            ticking.cancel()

    def _tick(self) -> None:
        if not self._channels.tick() and self._writer is not None:
            self._writer.transport.abort()
        self._flush()

    def _hang_up(self, connection: Any) -> None:
        """Close without waiting: there may be no loop left to wait on."""
        if self._loop.is_closed():
            abandon(connection)
        elif connection._writer is not None:
            writer, connection._reader, connection._writer = connection._writer, None, None
            writer.transport.abort()


class _Ticking:
    """Calls again and again, until cancelled."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop, self._call = loop, call
        self._next()

    def _next(self) -> None:
        self._handle = self._loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        self._next()
        self._call()

    def cancel(self) -> None:
        self._handle.cancel()


def _settle(confirmed: "asyncio.Future[Exception | None]", error: Exception | None) -> None:
    if not confirmed.done():
        confirmed.set_result(error)


_by_loop: dict[asyncio.AbstractEventLoop, dict[str, AsyncSubscriber]] = {}
_inherited: list[Any] = []  # what a forked child must neither use nor close


async def asubscriber(alias: str = "default") -> AsyncSubscriber:
    """Return the subscriber of *alias* on the running event loop."""
    _purge()
    loop = asyncio.get_running_loop()
    mine = _by_loop.setdefault(loop, {})
    if alias not in mine:
        target(alias)  # raises for an alias that nobody configured
        mine[alias] = AsyncSubscriber(alias, loop)
    return mine[alias]


def _purge() -> None:
    for loop in [loop for loop in list(_by_loop) if loop.is_closed()]:
        for dead in _by_loop.pop(loop, {}).values():
            dead.close()


def _reset() -> None:
    for loop in list(_by_loop):
        for dropped in _by_loop.pop(loop, {}).values():
            dropped.close()


async def _adisconnect() -> None:
    for dropped in _by_loop.pop(asyncio.get_running_loop(), {}).values():
        await dropped.aclose()


def _start_anew() -> None:
    _inherited.append(dict(_by_loop))
    _by_loop.clear()


on_reset(_reset)
on_adisconnect(_adisconnect)
os.register_at_fork(after_in_child=_start_anew)
