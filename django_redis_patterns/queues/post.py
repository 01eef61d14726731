"""Where this process hears of the ends that it waits for: one channel, listened to at each node."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from django_redis_patterns.core.bell import Bell
from django_redis_patterns.core.connections.clients import on_reset
from django_redis_patterns.core.connections.options import Address
from django_redis_patterns.core.keys import key
from django_redis_patterns.core.operations import IO
from django_redis_patterns.core.subscriber import WAIT, subscriber
from django_redis_patterns.exceptions import RedisUnavailable

from .keys import ROOM

_process = secrets.token_urlsafe(9)


def channel() -> str:
    """Return the channel of this process."""
    return key(ROOM, _process, "post")


class Post:
    """Takes in what one node says to this process."""

    def __init__(self, alias: str, node: Address | None) -> None:
        self._alias, self._node = alias, node
        self._bells: dict[str, list[Bell]] = {}
        self.is_open = False

    async def open(self, io: IO) -> None:
        """Listen, from now on for good. Raises `RedisUnavailable` and `RedisDenied`."""
        bell, answers = Bell(), list[Exception | None]()

        def settle(error: Exception | None) -> None:
            self.is_open = error is None
            answers.append(error)
            bell.ring()

        subscriber(self._alias, self._node).begin(channel(), self, settle)
        if not await io.wait(bell, WAIT):
            raise RedisUnavailable(self._alias, f"nothing was heard for {WAIT:g} s", ambiguous=True)
        if (error := answers[0]) is not None:
            raise error

    @contextmanager
    def expecting(self, id: str) -> Iterator[Bell]:
        """Give what rings when the job *id* has ended."""
        bell = Bell()
        bells = self._bells.setdefault(id, [])
        bells.append(bell)
        try:
            yield bell
        finally:
            bells.remove(bell)
            if not bells:
                self._bells.pop(id, None)

    def message(self, channel: str, payload: bytes) -> None:
        """Ring for those who wait for this job."""
        for bell in list(self._bells.get(payload.decode(), ())):
            bell.ring()

    def gap(self, channel: str) -> None:
        """Let everybody look: something may have been missed."""
        for bells in list(self._bells.values()):
            for bell in list(bells):
                bell.ring()


_posts: dict[tuple[str, Address | None], Post] = {}


def post(alias: str, node: Address | None) -> Post:
    """Return the post of *alias*, on a cluster the one at *node*."""
    return _posts.get((alias, node)) or _posts.setdefault((alias, node), Post(alias, node))


def _start_anew() -> None:
    global _process
    _process = secrets.token_urlsafe(9)
    _posts.clear()


on_reset(_posts.clear)
os.register_at_fork(after_in_child=_start_anew)
