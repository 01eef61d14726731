"""Connections that never hand one caller's reply to the next.

An exception in mid-call (a signal, Ctrl-C, a soft time limit) can leave a reply unread on a pooled connection. The
guard counts commands sent minus replies read and asks the pool to reconnect when the count is not 0 at release.
Pub/sub connections must not be guarded: they owe replies by design.
"""

from collections.abc import Iterable
from typing import Any

from redis import asyncio as aredis
from redis import connection as sync
from redis.asyncio import connection as asynchronous
from redis.exceptions import ResponseError

# A connection interrupted before it has said who it is and which database it wants is as unfit as one with a
# reply unread.
_HALF_CONNECTED = 1


class _Counting:
    """The book-keeping that both kinds of connection share."""

    _owed = 0
    _packed = 1

    def pack_commands(self, commands: Iterable[Any]) -> Any:
        commands = list(commands)
        self._packed = len(commands)
        return super().pack_commands(commands)  # type: ignore[misc]

    def _take_packed(self) -> int:
        packed, self._packed = self._packed, 1
        return packed

    def should_reconnect(self) -> bool:
        return self._owed != 0 or super().should_reconnect()  # type: ignore[misc]


def _never_sent(error: BaseException) -> None:
    error.never_sent = True  # type: ignore[attr-defined]


class _Guard(_Counting):
    def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        is_new = not self._sock  # type: ignore[attr-defined]
        if is_new:
            self._owed = _HALF_CONNECTED
        try:
            super().connect_check_health(*args, **kwargs)  # type: ignore[misc]
        except Exception as error:
            _never_sent(error)
            raise
        if is_new:
            self._owed = 0

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        owed = self._take_packed()
        if not self._sock:  # type: ignore[attr-defined]
            self.connect_check_health(check_health=False)
        if check_health:
            self.check_health()  # type: ignore[attr-defined]
        self._owed += owed
        super().send_packed_command(command, check_health=False)  # type: ignore[misc]

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            reply = super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError:
            self._owed -= 1
            raise
        self._owed -= 1
        return reply

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        super().disconnect(*args, **kwargs)  # type: ignore[misc]
        self._owed = 0


class _AsyncGuard(_Counting):
    async def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        is_new = not self.is_connected  # type: ignore[attr-defined]
        if is_new:
            self._owed = _HALF_CONNECTED
        try:
            await super().connect_check_health(*args, **kwargs)  # type: ignore[misc]
        except Exception as error:
            _never_sent(error)
            raise
        if is_new:
            self._owed = 0

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        owed = self._take_packed()
        if not self.is_connected:  # type: ignore[attr-defined]
            await self.connect_check_health(check_health=False)
        if check_health:
            await self.check_health()  # type: ignore[attr-defined]
        self._owed += owed
        await super().send_packed_command(command, check_health=False)  # type: ignore[misc]

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            reply = await super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError:
            self._owed -= 1
            raise
        self._owed -= 1
        return reply

    async def disconnect(self, *args: Any, **kwargs: Any) -> None:
        await super().disconnect(*args, **kwargs)  # type: ignore[misc]
        self._owed = 0


class GuardedConnection(_Guard, sync.Connection):
    """TCP."""


class GuardedTLSConnection(_Guard, sync.SSLConnection):
    """TCP with TLS."""


class GuardedUnixConnection(_Guard, sync.UnixDomainSocketConnection):
    """A Unix socket."""


class AsyncGuardedConnection(_AsyncGuard, aredis.Connection):
    """TCP, for an event loop."""


class AsyncGuardedTLSConnection(_AsyncGuard, aredis.SSLConnection):
    """TCP with TLS, for an event loop."""


class AsyncGuardedUnixConnection(_AsyncGuard, asynchronous.UnixDomainSocketConnection):
    """A Unix socket, for an event loop."""
