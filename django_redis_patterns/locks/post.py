"""Where this process hears what it was granted: one channel, listened to at each node that it waits for."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django_redis_patterns.core.bell import Bell
from django_redis_patterns.core.connections.clients import on_reset
from django_redis_patterns.core.connections.options import Address
from django_redis_patterns.core.operations import IO
from django_redis_patterns.core.subscriber import WAIT, subscriber
from django_redis_patterns.exceptions import RedisUnavailable

from .lease import living
from .place import channel


@dataclass(frozen=True)
class Grant:
    """You were let in, for *ttl* seconds from *at* (microseconds of Redis' clock)."""

    fence: int
    at: int
    ttl: float


@dataclass
class Waiter:
    """Who waits for a grant."""

    bell: Bell = field(default_factory=Bell)
    grant: Grant | None = None


class Post:
    """Takes in what one node says to this process. A message for who does not wait any more is nobody's."""

    def __init__(self, alias: str, node: Address | None) -> None:
        self._alias, self._node = alias, node
        self._waiters: dict[str, Waiter] = {}
        self.is_open = False

    def begin(self, settle: Callable[[Exception | None], None] = lambda error: None) -> None:
        """Begin to listen, without waiting for it: *settle* hears from another thread how it went.

        It goes on until it works, and from then on for good.
        """

        def settled(error: Exception | None) -> None:
            self.is_open = error is None
            self._look_after_leases()
            settle(error)

        subscriber(self._alias, self._node).begin(channel(), self, settled)

    async def open(self, io: IO) -> None:
        """Listen. Raises `RedisUnavailable` and `RedisDenied`."""
        bell, answers = Bell(), list[Exception | None]()

        def settle(error: Exception | None) -> None:
            answers.append(error)
            bell.ring()

        self.begin(settle)
        if not await io.wait(bell, WAIT):
            raise RedisUnavailable(self._alias, f"nothing was heard for {WAIT:g} s", ambiguous=True)
        if (error := answers[0]) is not None:
            raise error

    @contextmanager
    def expecting(self, token: str) -> Iterator[Waiter]:
        """Take in the grant of *token*."""
        waiter = self._waiters[token] = Waiter()
        try:
            yield waiter
        finally:
            self._waiters.pop(token, None)

    def message(self, channel: str, payload: bytes) -> None:
        """Pass on what was said: granted, or evicted."""
        kind, token, *rest = payload.decode().split("\n")
        waiter = self._waiters.get(token)
        if kind == "grant" and waiter is not None:
            fence, ttl_ms, at = map(int, rest)
            waiter.grant = Grant(fence, at, ttl_ms / 1000)
            waiter.bell.ring()
        if kind == "evicted" and (lease := living.get(token)) is not None:
            lease.lose("it was released by force")

    def gap(self, channel: str) -> None:
        """Let everybody ask again: a grant may have been missed."""
        for waiter in list(self._waiters.values()):
            waiter.bell.ring()
        self._look_after_leases()

    def _look_after_leases(self) -> None:
        """Have those that are held renewed soon: they may have been released by force while nobody listened."""
        for lease in (alive() for alive in living.valuerefs()):  # values() would stumble over other threads
            if lease is not None and lease.place.connection == self._alias:
                lease.renew_at = 0.0


_posts: dict[tuple[str, Address | None], Post] = {}


def post(alias: str, node: Address | None) -> Post:
    """Return the post of *alias*, on a cluster the one at *node*."""
    return _posts.get((alias, node)) or _posts.setdefault((alias, node), Post(alias, node))


on_reset(_posts.clear)
os.register_at_fork(after_in_child=_posts.clear)
