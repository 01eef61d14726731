"""The subscriber of a process without an event loop: one daemon thread that reads and writes for all threads."""

import os
import queue
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from ssl import SSLWantReadError
from typing import Any

from django_redis_patterns.core.conductor import refuse_to_block_a_loop
from django_redis_patterns.core.connections.clients import on_reset
from django_redis_patterns.core.connections.options import Address, target
from django_redis_patterns.exceptions import RedisUnavailable

from .channels import TICK, WAIT, Channels, Listener, Subscription
from .link import READ_SIZE, connection
from .resp import Replies

SEND_SECONDS = 1.0


class _Waker:
    """Ends a thread's wait for input."""

    def __init__(self) -> None:
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)

    def fileno(self) -> int:
        return self._near.fileno()

    def wake(self) -> None:
        with suppress(BlockingIOError):  # it is full of wakes
            self._far.send(b"!")

    def clear(self) -> None:
        with suppress(BlockingIOError):
            self._near.recv(READ_SIZE)

    def close(self) -> None:
        self._near.close()
        self._far.close()


class Subscriber:
    """Listens on one connection for all threads of the process.

    Its thread owns channels and connection; other threads leave orders for it. So listeners need no locks of ours,
    and one that is called holds none. A forked child has to subscribe anew.
    """

    def __init__(self, alias: str, node: Address | None = None) -> None:
        self._alias = alias
        self._node = node
        self._start_anew()

    def _start_anew(self) -> None:
        self._channels = Channels(self._alias)
        self._orders: deque[Callable[[], None]] = deque()
        self._lock = threading.RLock()  # between leaving an order and ending for want of work
        self._thread: threading.Thread | None = None
        self._waker: _Waker | None = None
        self._closing = threading.Event()

    def subscribe(self, channel: str, listener: Listener, *, wait: float | None = WAIT) -> Subscription:
        """Let *listener* hear *channel*; returns when Redis has confirmed.

        Raises `RedisUnavailable` when that takes more than *wait* seconds (None: waits for ever), and `RedisDenied`.
        A listener must not subscribe: it is called by the thread that would have to answer.
        """
        refuse_to_block_a_loop(WAIT if wait is None else wait)
        if threading.current_thread() is self._thread:
            raise RuntimeError("A listener cannot wait for a subscription: subscribe from another thread.")
        answer: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        subscription = self.begin(channel, listener, answer.put)
        try:
            error = answer.get(timeout=wait)
        except queue.Empty:
            subscription.close()
            raise RedisUnavailable(self._alias, f"nothing was heard for {wait:g} s", ambiguous=True) from None
        except BaseException:
            subscription.close()
            raise
        if error is not None:
            raise error
        return subscription

    def begin(self, channel: str, listener: Listener, settle: Callable[[Exception | None], None]) -> Subscription:
        """Do the same without waiting: *settle* hears, once and in the subscriber's thread, None or what went wrong."""
        subscription = Subscription(channel, listener, settle, self._leave)
        self._order(partial(self._channels.add, subscription))
        return subscription

    def close(self) -> None:
        """Stop; the thread ends by itself."""
        with self._lock:
            self._closing.set()
            if self._waker is not None:
                self._waker.wake()

    def _order(self, order: Callable[[], None]) -> None:
        with self._lock:
            self._orders.append(order)
            if self._thread is None:
                waker = self._waker = _Waker()
                name = f"redis-subscriber-{self._alias}"
                self._thread = threading.Thread(target=self._run, args=[waker], name=name, daemon=True)
                self._thread.start()
            elif self._waker is not None:
                self._waker.wake()

    def _leave(self, subscription: Subscription) -> None:
        with self._lock:
            if self._thread is not None:  # no hurry: it is heard before the next message
                self._orders.append(partial(self._channels.drop, subscription))

    def _obey(self) -> None:
        while self._orders:
            self._orders.popleft()()

    def _is_needed(self) -> bool:
        with self._lock:
            self._obey()
            if self._closing.is_set():
                self._channels.close()
            if self._channels.is_idle and self._waker is not None:
                self._waker.close()
                self._waker = self._thread = None
            return self._thread is not None

    def _run(self, waker: _Waker) -> None:
        attempt = 0
        while self._is_needed():
            try:
                self._serve(waker, attempt)
            except Exception as error:
                self._obey()
                attempt += 1
                self._closing.wait(self._channels.failed(error))

    def _serve(self, waker: _Waker, attempt: int) -> None:
        link = connection(self._alias, attempt, self._node)
        try:
            link.connect()
            with selectors.DefaultSelector() as selector:
                selector.register(link._sock, selectors.EVENT_READ)
                selector.register(waker, selectors.EVENT_READ)
                self._listen(link._sock, waker, selector)
        finally:
            self._channels.disconnected()
            link.disconnect()

    def _listen(self, sock: socket.socket, waker: _Waker, selector: selectors.BaseSelector) -> None:
        replies, next_tick = Replies(), time.monotonic() + TICK
        sock.setblocking(False)
        self._channels.connected()
        while not self._closing.is_set():
            self._obey()
            if self._channels.is_idle:
                return
            _send(sock, self._channels.outgoing())
            ready = selector.select(max(0.0, next_tick - time.monotonic()))
            if any(key.fileobj is waker for key, _ in ready):
                waker.clear()
            for reply in replies.feed(_received(sock)):
                self._obey()
                self._channels.received(reply)
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + TICK
                if not self._channels.tick():
                    raise ConnectionError("the server is silent")


def _send(sock: socket.socket, commands: bytes) -> None:
    if commands:
        sock.settimeout(SEND_SECONDS)
        sock.sendall(commands)
        sock.setblocking(False)


def _received(sock: socket.socket) -> bytes:
    """Return what has arrived, without waiting."""
    try:
        data = sock.recv(READ_SIZE)
    except (BlockingIOError, SSLWantReadError):
        return b""
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


_subscribers: dict[tuple[str, Address | None], Subscriber] = {}
_inherited: list[Any] = []  # what a forked child must neither use nor close


def subscriber(alias: str = "default", node: Address | None = None) -> Subscriber:
    """Return the subscriber of *alias* for all threads of this process.

    On a cluster *node* names the one to listen at: only there do scripts count this process among their receivers.
    """
    found = _subscribers.get((alias, node))
    if found is None:
        target(alias)  # raises for an alias that nobody configured
        found = _subscribers.setdefault((alias, node), Subscriber(alias, node))
    return found


def _reset() -> None:
    while _subscribers:
        _subscribers.popitem()[1].close()


def _start_anew() -> None:
    for mine in _subscribers.values():
        _inherited.append(dict(vars(mine)))
        mine._start_anew()


on_reset(_reset)
os.register_at_fork(after_in_child=_start_anew)
