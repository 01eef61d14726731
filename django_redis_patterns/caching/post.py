"""Where this process hears that a value it waits for is there: one channel, listened to at each node it waits for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from django_redis_patterns.core.bell import Bell
from django_redis_patterns.core.connections.clients import on_reset
from django_redis_patterns.core.connections.options import Address
from django_redis_patterns.core.keys import key
from django_redis_patterns.core.operations import IO
from django_redis_patterns.core.subscriber import WAIT, subscriber
from django_redis_patterns.exceptions import RedisUnavailable

from .place import process


class Post:
    """Takes in what one node says to this process, and rings for all who wait for the key it names."""

    def __init__(self, alias: str, node: Address | None) -> None:
        self._alias, self._node = alias, node
        self._bells: dict[str, list[Bell]] = {}
        self.channel = ""  # until it is listened to

    async def open(self, io: IO) -> None:
        """Begin to listen. Raises `RedisUnavailable` and `RedisDenied`."""
        bell, answers, channel = Bell(), list[Exception | None](), key("caching", process(), "post")

        def settle(error: Exception | None) -> None:
            answers.append(error)
            bell.ring()

        subscription = subscriber(self._alias, self._node).begin(channel, self, settle)
        if not await io.wait(bell, WAIT):
            subscription.close()
            raise RedisUnavailable(self._alias, f"nothing was heard for {WAIT:g} s", ambiguous=True)
        if (error := answers[0]) is not None:
            raise error
        self.channel = channel

    @contextmanager
    def expecting(self, name: str) -> Iterator[Bell]:
        """Ring when something happens to the key *name*."""
        bell = Bell()
        bells = self._bells.setdefault(name, [])
        bells.append(bell)
        try:
            yield bell
        finally:
            bells.remove(bell)
            if not bells and self._bells.get(name) is bells:
                del self._bells[name]

    def message(self, channel: str, payload: bytes) -> None:
        """Wake those who wait for what has changed."""
        self._ring(self._bells.get(payload.decode(), ()))

    def gap(self, channel: str) -> None:
        """Let everybody ask again: something may have been missed."""
        for bells in list(self._bells.values()):
            self._ring(bells)

    def _ring(self, bells: "list[Bell] | tuple[()]") -> None:
        for bell in list(bells):
            bell.ring()


_posts: dict[tuple[str, Address | None], Post] = {}


def post(alias: str, node: Address | None) -> Post:
    """Return the post of *alias*, on a cluster the one at *node*."""
    return _posts.get((alias, node)) or _posts.setdefault((alias, node), Post(alias, node))


on_reset(_posts.clear)
os.register_at_fork(after_in_child=_posts.clear)
