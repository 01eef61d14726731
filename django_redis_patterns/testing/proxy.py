"""A network that fails on demand: a TCP proxy in front of a server."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self

from django_redis_patterns.testing.link import Faults, Link
from django_redis_patterns.testing.running import Running
from django_redis_patterns.testing.servers import PATIENCE, ServerError


class FaultProxy(Running):
    """Passes on to *port* what reaches its own, and fails as it is told; from `start` until `stop`.

        with RedisServer() as server, FaultProxy(server.port) as proxy:
            client = redis.Redis.from_url(proxy.url)
            proxy.cut_reply()
            client.incr("a")  # ConnectionError, and "a" is 1

    Faults add up, also act on connections that are open, and last until `heal`; `reset` and `cut_reply` happen once.
    They may be called from any thread. The server may start after the proxy, which connects when it is connected to.
    """

    port: int

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.target = (host, port)
        self._faults = Faults()
        self._links: dict[Link, asyncio.Task[None]] = {}
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def connection(self) -> dict[str, Any]:
        """An entry for ``CONNECTIONS`` in ``REDIS_PATTERNS``, in front of a server without TLS and users."""
        return {"URL": self.url}

    @property
    def commands(self) -> int:
        """How many commands have been passed on, without those that set up a connection (``AUTH``, ``SELECT``...)."""
        return self._faults.commands

    @property
    def latency(self) -> float:
        """Seconds, at least, that data takes each way."""
        return self._faults.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._faults.latency = seconds

    def black_hole(self) -> None:
        """Accept everything, pass nothing on, and say nothing. A connection that lost data by it is reset by `heal`."""
        self._faults.swallows = True

    def drip(self, seconds_per_byte: float = 0) -> None:
        """Pass everything on byte by byte."""
        self._faults.seconds_per_byte = seconds_per_byte

    def cut_reply(self, after: int = 1) -> None:
        """Let the server run the *after*-th command from now on, and close its connection instead of replying.

        Replies before it arrive. What was sent together with it has run as well. On a connection that subscribes or
        monitors, where replies cannot be told apart, whatever comes next is cut. Not for TLS.
        """
        if after < 1:
            raise ValueError("The next command is number 1.")
        self._faults.cut_at = self._faults.commands + after

    def reset(self) -> None:
        """Reset all open connections (RST). New ones are served."""
        self._run(self._reset)

    def refuse(self) -> None:
        """Refuse new connections. Open ones stay; the port stays reserved."""
        self._run(self._refuse)

    def heal(self) -> None:
        """End all faults."""
        self._run(self._heal)

    def start(self) -> Self:
        """Return when the proxy accepts connections. Its port is free again after `stop`."""
        self._bound = _bound(0)
        self.port = self._bound.getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live(ready)), name="fault-proxy", daemon=True)
        self._thread.start()
        if not ready.wait(PATIENCE):
            raise ServerError("The proxy did not start.")
        return self

    def stop(self) -> None:
        """End the proxy and all its connections. A proxy that is stopped may be stopped again."""
        if thread := self._thread:
            self._thread = None
            self._loop.call_soon_threadsafe(self._ended.set)
            thread.join(PATIENCE)

    def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do it in the proxy's thread."""
        if not self._thread:
            raise ServerError("The proxy is not started.")
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(PATIENCE)

    # What follows runs in the proxy's own thread.

    async def _live(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        await self._listen()
        ready.set()
        await self._ended.wait()
        await self._close()
        self._bound.close()
        tasks = list(self._links.values())
        await self._reset()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _rounds()

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._accept, sock=self._bound)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(self._faults, reader, writer)
        task = self._links[link] = asyncio.create_task(link.run(*self.target))
        task.add_done_callback(lambda _: self._links.pop(link))

    async def _close(self) -> None:
        """Close the listener, after the last it accepted has its link: asyncio leaks whom it accepts as it closes."""
        self._loop.remove_reader(self._bound)
        await _rounds()
        self._listener.close()

    async def _refuse(self) -> None:
        if self._listener.is_serving():
            await self._close()
            self._bound = _bound(self.port)  # and not listening: it keeps the port, and whoever connects is refused

    async def _reset(self) -> None:
        for link in list(self._links):
            link.reset()

    async def _heal(self) -> None:
        self._faults.end()
        for link in list(self._links):
            if link.lost:
                link.reset()
        if not self._listener.is_serving():
            await self._listen()


async def _rounds() -> None:
    """Let the loop do what it has begun: from an accepted socket to its link it takes some rounds."""
    for _ in range(10):
        await asyncio.sleep(0)


def _bound(port: int) -> socket.socket:
    """Return a socket on the port, or on any free one for 0."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound
