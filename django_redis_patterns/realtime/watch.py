"""Watches over the logins of this process's sockets: one subscription and one slow round for all of them."""

import asyncio
import contextlib
import random
from collections import defaultdict
from typing import Protocol

from django_redis_patterns.conf import settings
from django_redis_patterns.core.subscriber import Subscription, asubscriber

from .codes import Close
from .sign_out import channel, read

#: Seconds between two looks at each session: what expired, or ended while nobody could say so, is found by then.
ROUND = 300.0
#: Seconds until the next round when one could not look at all of them; doubled each time, up to ROUND.
AGAIN = 1.0
#: Looks in a row that fail until a round is broken off.
FAILURES = 3
#: Seconds within which processes spread their rounds after Redis was away.
SPREAD = 1.0
#: Seconds until a user's other sockets look: Django announces a logout before it deletes the session.
AFTER = (0.2, 0.5)


class Watched(Protocol):
    """A socket whose session may end."""

    user_id: str
    digest: str | None

    def end(self, code: Close) -> None:
        """Close the socket."""

    async def look(self) -> bool:
        """Close the socket if its session is no more. Returns False while nobody can know."""


class Watch:
    """The watched sockets of one event loop. It listens as long as there is one."""

    def __init__(self) -> None:
        self._by_user: dict[str, set[Watched]] = defaultdict(set)
        self._opening: asyncio.Future[Subscription] | None = None
        self._round: asyncio.Task[None] | None = None
        self._looks: set[asyncio.Task[None]] = set()
        self._gap = asyncio.Event()

    async def add(self, socket: Watched) -> None:
        """Watch *socket*; from the return on no end of its session is missed.

        Raises `RedisUnavailable`. Whoever adds removes, then too.
        """
        self._by_user[socket.user_id].add(socket)
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._subscribe())
            self._round = asyncio.create_task(self._go_round())
        await asyncio.shield(self._opening)

    def remove(self, socket: Watched) -> None:
        """Forget *socket*, and with the last one stop listening."""
        if mine := self._by_user.get(socket.user_id):
            mine.discard(socket)
            if not mine:
                del self._by_user[socket.user_id]
        if not self._by_user:
            self._stop()

    def message(self, channel: str, payload: bytes) -> None:
        """Close the sockets of an ended session; have the user's others look for themselves."""
        user_id, session = read(payload)
        for socket in list(self._by_user.get(user_id, ())):
            if session is not None and socket.digest == session:
                socket.end(Close.LOGGED_OUT)
            else:
                task = asyncio.create_task(self._look_soon(socket))
                self._looks.add(task)
                task.add_done_callback(self._looks.discard)

    def gap(self, channel: str) -> None:
        """Look at every session soon: ends may have been missed."""
        self._gap.set()

    async def _subscribe(self) -> Subscription:
        subscriber = await asubscriber(settings().realtime.connection)
        return await subscriber.subscribe(channel(), self)

    async def _go_round(self) -> None:
        failures = 0
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gap.wait(), _pause(failures))
                failures = 0
            self._gap.clear()
            await asyncio.sleep(random.uniform(0, SPREAD))  # noqa: TID251  this is no operation
            failures = 0 if await self._look_at_all() else failures + 1

    async def _look_at_all(self) -> bool:
        """Look at one after the other, so that no server is stormed. Returns False if some could not be known.

        In any order, so that a few that always fail do not keep it from the others.
        """
        everybody = [socket for sockets in self._by_user.values() for socket in sockets]
        random.shuffle(everybody)
        failed = in_a_row = 0
        for socket in everybody:
            knows = await socket.look()
            failed, in_a_row = failed + (not knows), 0 if knows else in_a_row + 1
            if in_a_row == FAILURES:
                break
        return not failed

    async def _look_soon(self, socket: Watched) -> None:
        await asyncio.sleep(random.uniform(*AFTER))  # noqa: TID251  this is no operation
        if not await socket.look():
            self._gap.set()  # a round asks again, until it is known

    def _stop(self) -> None:
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.add_done_callback(_close)
        for task in (self._round, *self._looks):
            if task is not None:
                task.cancel()
        _watches.pop(asyncio.get_running_loop(), None)


_watches: dict[asyncio.AbstractEventLoop, Watch] = {}


def watch() -> Watch:
    """Return the watch of the running loop."""
    for loop in [loop for loop in list(_watches) if loop.is_closed()]:
        _watches.pop(loop, None)
    return _watches.setdefault(asyncio.get_running_loop(), Watch())


def _pause(failures: int) -> float:
    return min(ROUND, AGAIN * 2 ** (min(failures, 10) - 1)) if failures else ROUND


def _close(opening: asyncio.Future[Subscription]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
