"""Connections that never hand one caller's reply to the next.

An exception in mid-call (a signal, Ctrl-C, a soft time limit) can leave a reply unread on a pooled connection. The
guard counts commands sent minus replies read and asks the pool to reconnect when the count is not 0 at release.
Pub/sub connections must not be guarded: they owe replies by design.
"""

import asyncio
import select
import ssl
from collections.abc import Iterable
from typing import Any

from redis import asyncio as aredis
from redis import connection as sync
from redis import sentinel
from redis._parsers import Encoder
from redis.asyncio import connection as asynchronous
from redis.asyncio import sentinel as asentinel
from redis.exceptions import ConnectionError, ResponseError

from .errors import mark_unsent
from .options import HEALTH_CHECK_SECONDS

_CUTOFF = 6000


class _Packer(sync.PythonRespSerializer):
    """redis-py's own, in less than half its time for what is short.

    hiredis' packer crashes the process when a signal handler raises inside it; its parser does not.
    """

    def pack(self, *args: Any) -> list[Any]:
        name = args[0]
        is_plain, pieces = type(name) is str and " " not in name, [b"*%d\r\n" % len(args)]
        for arg in args:
            data = arg if type(arg) is bytes else arg.encode() if type(arg) is str else self.encode(arg)
            if not is_plain or len(data) > _CUTOFF or type(data) is not bytes:
                return list(super().pack(*args))  # type: ignore[no-untyped-call]
            pieces.append(b"$%d\r\n%b\r\n" % (len(data), data))
        return [b"".join(pieces)]


_PACKER = _Packer(_CUTOFF, Encoder("utf-8", "strict", False).encode)  # type: ignore[no-untyped-call]

# A connection interrupted before it has said who it is and which database it wants is as unfit as one with a
# reply unread.
_HALF_CONNECTED = 1
_READS_NO_FURTHER = "Protocol error"


class _Counting:
    """The book-keeping that both kinds of connection share."""

    _owed = 0
    _packed = 1
    _last_words: ResponseError | None = None

    def pack_commands(self, commands: Iterable[Any]) -> Any:
        commands = list(commands)
        self._packed = len(commands)
        return super().pack_commands(commands)  # type: ignore[misc]

    def _take_packed(self) -> int:
        packed, self._packed = self._packed, 1
        return packed

    def should_reconnect(self) -> bool:
        return self._owed != 0 or super().should_reconnect()  # type: ignore[misc]

    def _refused(self, error: ResponseError) -> None:
        """Take an error for a reply. After some of them the server hangs up: they answer all that is still owed."""
        if _READS_NO_FURTHER in str(error):
            self._last_words = error
        else:
            self._owed -= 1

    def _hear_last_words(self) -> None:
        if self._last_words is not None:
            raise self._last_words


class _Guard(_Counting):
    _looks: Any = None

    def __init__(self, *args: Any, **options: Any) -> None:
        # A cluster's client does not pass these on.
        given = {"command_packer": _PACKER, "health_check_interval": HEALTH_CHECK_SECONDS, **options}
        super().__init__(*args, **given)

    def connect(self) -> None:
        if self._sock:  # type: ignore[attr-defined]
            return
        self._owed, self._last_words = _HALF_CONNECTED, None
        try:
            super().connect()  # type: ignore[misc]
        except Exception as error:
            mark_unsent(error)
            raise
        self._owed = 0
        self._looks = _looks_at(self._sock)  # type: ignore[attr-defined]

    def can_read(self, timeout: float = 0) -> bool:
        """Return whether something waits to be read. Mostly nothing does, which one look at a plain socket tells."""
        if not timeout and self._looks is not None and not self._looks.poll(0):
            return False
        return bool(super().can_read(timeout))  # type: ignore[misc]

    def check_health(self) -> None:
        try:
            super().check_health()  # type: ignore[misc]
        except Exception as error:
            mark_unsent(error)
            raise

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        owed = self._take_packed()
        if not self._sock:  # type: ignore[attr-defined]
            self.connect()
        if check_health:
            self.check_health()
        self._owed += owed
        super().send_packed_command(command, check_health=False)  # type: ignore[misc]

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        self._hear_last_words()
        try:
            reply = super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            self._refused(error)
            raise
        self._owed -= 1
        return reply

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        self._looks = None
        super().disconnect(*args, **kwargs)  # type: ignore[misc]
        self._owed = 0


def _looks_at(sock: Any) -> Any:
    """Return what tells whether *sock* has something to read; None where only reading tells: TLS keeps some itself."""
    if isinstance(sock, ssl.SSLSocket) or not hasattr(select, "poll"):
        return None
    looks = select.poll()
    looks.register(sock, select.POLLIN)
    return looks


class _AsyncGuard(_Counting):
    async def connect(self) -> None:
        if self.is_connected:  # type: ignore[attr-defined]
            return
        self._owed, self._last_words = _HALF_CONNECTED, None
        try:
            await super().connect()  # type: ignore[misc]
        except Exception as error:
            mark_unsent(error)
            raise
        self._owed = 0

    async def check_health(self) -> None:
        try:
            await super().check_health()  # type: ignore[misc]
        except Exception as error:
            mark_unsent(error)
            raise

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        owed = self._take_packed()
        if not self.is_connected:  # type: ignore[attr-defined]
            await self.connect()
        if check_health:
            await self.check_health()
        self._refuse_closed()
        self._owed += owed
        cancelled = _cancelled()
        await super().send_packed_command(command, check_health=False)  # type: ignore[misc]
        if _cancelled() > cancelled:  # asyncio.wait_for of Python 3.11 forgets who is cancelled as it ends
            raise asyncio.CancelledError

    def _refuse_closed(self) -> None:
        """Since Python 3.12 a transport that the loop has closed fails with an AttributeError."""
        if self._writer.is_closing():  # type: ignore[attr-defined]
            error = ConnectionError("The connection was closed before the command was sent.")
            mark_unsent(error)
            raise error

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        self._hear_last_words()
        try:
            reply = await super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            self._refused(error)
            raise
        self._owed -= 1
        return reply

    async def disconnect(self, *args: Any, **kwargs: Any) -> None:
        await super().disconnect(*args, **kwargs)  # type: ignore[misc]
        self._owed = 0


def _cancelled() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


class GuardedConnection(_Guard, sync.Connection):
    """TCP."""


class GuardedTLSConnection(_Guard, sync.SSLConnection):
    """TCP with TLS."""


class GuardedUnixConnection(_Guard, sync.UnixDomainSocketConnection):
    """A Unix socket."""


class GuardedSentinelConnection(_Guard, sentinel.SentinelManagedConnection):
    """TCP to the primary that the sentinels name."""


class GuardedSentinelTLSConnection(_Guard, sentinel.SentinelManagedSSLConnection):
    """The same with TLS."""


class AsyncGuardedConnection(_AsyncGuard, aredis.Connection):
    """TCP, for an event loop."""


class AsyncGuardedTLSConnection(_AsyncGuard, aredis.SSLConnection):
    """TCP with TLS, for an event loop."""


class AsyncGuardedUnixConnection(_AsyncGuard, asynchronous.UnixDomainSocketConnection):
    """A Unix socket, for an event loop."""


class AsyncGuardedSentinelConnection(_AsyncGuard, asentinel.SentinelManagedConnection):
    """TCP to the primary that the sentinels name, for an event loop."""


class AsyncGuardedSentinelTLSConnection(_AsyncGuard, asentinel.SentinelManagedSSLConnection):
    """The same with TLS, for an event loop."""
