"""One connection through a `FaultProxy`: two pumps, and what is wrong with the network right now."""

import asyncio
import socket
import struct
from contextlib import suppress

from django_redis_patterns.testing.resp import NotRESP, Replies, Requests

CHUNK = 64 * 1024
NO_LINGER = struct.pack("ii", 1, 0)  # SO_LINGER: closing throws away what is unsent, and the other side gets an RST

# They set up a connection, find the way in a cluster, or belong to replication.
SETUP = {"AUTH", "CLIENT", "HELLO", "PING", "QUIT", "RESET", "SELECT"}
SETUP |= {"ASKING", "CLUSTER", "COMMAND", "READONLY", "READWRITE"}
SETUP |= {"PSYNC", "REPLCONF", "SYNC"}
# From here on a server speaks unasked.
UNASKED = {"MONITOR", "PSUBSCRIBE", "PSYNC", "SSUBSCRIBE", "SUBSCRIBE", "SYNC"}


class Faults:
    """What is wrong now, for all connections of a proxy."""

    def __init__(self) -> None:
        self.commands = 0
        self.healed = asyncio.Event()
        self.end()

    def end(self) -> None:
        self.latency = 0.0
        self.swallows = False
        self.seconds_per_byte: float | None = None
        self.cut_at: int | None = None
        self.healed.set()
        self.healed = asyncio.Event()

    def count(self) -> bool:
        """Count a command that is passed on. Is its reply to be cut?"""
        self.commands += 1
        if cut := self.commands == self.cut_at:
            self.cut_at = None
        return cut

    async def pause(self, seconds: float) -> None:
        """Wait, but not longer than the fault lasts."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.healed.wait()


class Link:
    """A client's connection, and the one to the server that belongs to it."""

    def __init__(self, faults: Faults, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lost = False  # some data; it cannot be mended
        self._faults = faults
        self._reader = reader
        self._writers = [writer]
        self._requests, self._replies = Requests(), Replies()
        self._foreign = False  # what the client says is not RESP
        self._opaque = False  # replies cannot be told from one another
        self._asked = self._answered = 0
        self._cut: int | None = None  # the number of the reply that must not arrive

    async def run(self, host: str, port: int) -> None:
        """Pass on until one side ends, or what passes is to be cut."""
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError:
            self.reset()
            return
        self._writers.append(writer)
        pumps = [asyncio.create_task(self._ask(writer)), asyncio.create_task(self._answer(reader))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            await self._close()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self.abort()

    def reset(self) -> None:
        """Close at once; the client is told by an RST."""
        connection = self._writers[0].get_extra_info("socket")
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.abort()

    def abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _close(self) -> None:
        """Close when all that was passed on has left."""
        for writer in self._writers:
            writer.close()
        for writer in self._writers:
            with suppress(OSError):
                await writer.wait_closed()

    async def _ask(self, writer: asyncio.StreamWriter) -> None:
        while data := await self._take(self._reader):
            self._see_requests(data)
            await self._pass_on(data, writer)

    async def _answer(self, reader: asyncio.StreamReader) -> None:
        while data := await self._take(reader):
            end = self._see_replies(data)
            await self._pass_on(data[:end], self._writers[0])
            if end < len(data):
                return

    async def _take(self, reader: asyncio.StreamReader) -> bytes:
        """Return the next data that may pass; none, when that side has closed."""
        while True:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""
            if self._faults.latency:
                await self._faults.pause(self._faults.latency)
            if not self._faults.swallows:
                return data
            self.lost = True
            if not data:
                await asyncio.Event().wait()  # nobody is told, until `FaultProxy.heal` resets what has lost data

    async def _pass_on(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data:
                piece, data = (data, b"") if self._faults.seconds_per_byte is None else (data[:1], data[1:])
                writer.write(piece)
                await writer.drain()
                if data:
                    await self._faults.pause(self._faults.seconds_per_byte or 0)

    def _see_requests(self, data: bytes) -> None:
        if self._foreign:
            return
        try:
            for name in self._requests.names(data):
                self._asked += 1
                self._opaque |= name in UNASKED
                if name not in SETUP and self._faults.count():
                    self._cut = self._asked
        except NotRESP:
            self._foreign = self._opaque = True

    def _see_replies(self, data: bytes) -> int:
        """Return how much of *data* may pass."""
        if not self._opaque:
            try:
                starts = self._replies.starts(data)
            except NotRESP:
                self._opaque = True
            else:
                cut = (self._cut or 0) - self._answered
                self._answered += len(starts)
                return starts[cut - 1] if 0 < cut <= len(starts) else len(data)
        return 0 if self._cut else len(data)
