"""How this process hears that its copies are not good any more, and how it knows that it hears.

Whoever invalidates says so by PUBLISH, in the same script. A beat goes out four times a second and comes back on the
connection on which those messages come: when it is heard, all that was said before it was sent has been heard. A copy
is used for as long as a beat was heard that left less than `BOUND` seconds ago, so a link that is cut, frozen or slow
makes copies stale by no more than that. After each gap all copies are dropped, and also when a beat does not find the
key that the last one has left: nobody publishes that a database was emptied.
"""

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections.clients import on_reset
from django_redis_patterns.core.connections.options import Address
from django_redis_patterns.core.keys import key
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.core.subscriber import subscriber
from django_redis_patterns.exceptions import RedisPatternsError

from .copies import Copies, Fill, clock
from .place import Place, Tag, Target, near_channel, process
from .recipe import Call

BEAT = Script("beat.lua")

#: Seconds for which a copy may be stale, at most.
BOUND = 1.0
#: Seconds between two beats, and after which those that nobody uses end.
EVERY, LINGER = 0.25, 30.0
#: Milliseconds for which a beat leaves its key.
LIFE = 60_000
#: Seconds after which it is tried again to listen.
AGAIN = 5.0

logger = logging.getLogger("django_redis_patterns.caching")


class Link:
    """Listens at one node. ``anchor`` is a key of this process that the node serves."""

    def __init__(self, alias: str, node: Address | None, anchor: str, copies: Copies) -> None:
        self.alias, self.anchor = alias, anchor
        self._me, self.beat_channel = process().encode(), key("caching", process(), "beat")
        self._node, self._copies = node, copies
        self._is_listening = False
        self._asked_at = self._heard = float("-inf")
        self.used_at = clock()

    def use(self) -> None:
        """Begin to listen, if that has not begun; nobody waits for it."""
        self.used_at = clock()
        if not self._is_listening and self.used_at - self._asked_at > AGAIN:
            self._asked_at = self.used_at
            for channel in (near_channel(), self.beat_channel):
                subscriber(self.alias, self._node).begin(channel, self, partial(self._settled, channel))

    def is_live(self, now: float) -> bool:
        """Return whether all has been heard that was said until `BOUND` seconds ago."""
        return now - self._heard < BOUND

    def message(self, channel: str, payload: bytes) -> None:
        """Drop what somebody else says is not good any more; this process has done so itself."""
        if channel == self.beat_channel:
            self._beaten(*payload.split())
            return
        who, _, name = payload.partition(b"\n")
        if who != self._me:
            self._copies.drop([name.decode()])

    def _beaten(self, kept: bytes, moment: bytes) -> None:
        if kept == b"0":
            self._copies.clear()
        if self._is_listening:
            self._heard = max(self._heard, float(moment))

    def gap(self, channel: str) -> None:
        """Drop everything: something may have been missed."""
        self._heard = float("-inf")
        self._copies.clear()
        trace.count("caching.near_gap")

    def _settled(self, channel: str, error: Exception | None) -> None:
        if error is None:
            self._is_listening = self._is_listening or channel == near_channel()
            return
        self._is_listening = False
        logger.warning("Nothing is heard of changes on %r, so no copies are kept: %s", self.alias, error)


class Near:
    """The copies of one connection, and its links: one, or on a cluster one for each node."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self.copies = Copies()
        self.links: dict[Address | None, Link] = {}

    async def sources(self, io: IO, call: Call) -> list[Link]:
        """Return where changes of *call* are heard."""
        found = {await io.primary(one.anchor): one.anchor for one in reversed(call.targets)}
        links = [self._link(node, anchor) for node, anchor in found.items()]
        for link in links:
            link.use()
        _beating.begin()
        return links

    @contextmanager
    def filling(self, call: Call, links: Sequence[Link]) -> Iterator[Fill]:
        """Read the value inside of this."""
        names = [tag.near_name for tag in call.tags]
        with self.copies.filling(call.place.near_name, names, links) as fill:
            yield fill

    def _link(self, node: Address | None, anchor: str) -> Link:
        return self.links.get(node) or self.links.setdefault(node, Link(self._alias, node, anchor, self.copies))


_near: dict[str, Near] = {}


def near(alias: str) -> Near:
    """Return the copies of *alias* in this process."""
    return _near.get(alias) or _near.setdefault(alias, Near(alias))


def drop(targets: Iterable[Target], *, but: Fill | None = None) -> None:
    """Drop this process' own copies of what it has just changed."""
    for target in targets:
        if target.connection in _near and (isinstance(target, Tag) or target.is_near):
            near(target.connection).copies.drop([target.near_name], but=but)


@contextmanager
def dropping(target: Place, fill: Fill | None = None) -> Iterator[None]:
    """Drop the copy of *target* when the block, which changes it, has ended in whatever way."""
    try:
        yield
    finally:
        drop([target], but=fill)


async def _beat(io: IO, links: Sequence[Link]) -> None:
    """Send the time to ourselves, by each node that is listened to."""
    beats = [(link, [link.beat_channel, repr(clock()), LIFE]) for link in links]
    await io.gather(*(io.on(link.alias).run(BEAT, [link.anchor], args) for link, args in beats))


beat, abeat = both(_beat)


class _Beating:
    """The thread that sends beats, while copies are used."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._pause = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        if self._thread is not None:
            return
        with self._guard:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="redis-caching-near", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while links := self._links():
            for alias in {link.alias for link in links}:
                try:
                    beat([link for link in links if link.alias == alias])
                except RedisPatternsError:
                    trace.count("caching.beat_failed")
            self._pause.wait(EVERY)

    def _links(self) -> list[Link]:
        with self._guard:
            unused_since = clock() - LINGER
            every = [link for one in list(_near.values()) for link in list(one.links.values())]
            used = [link for link in every if link.used_at > unused_since]
            if not used:
                self._thread = None
            return used


_beating = _Beating()


def _start_anew() -> None:
    global _beating
    _beating = _Beating()
    _near.clear()


on_reset(_near.clear)
os.register_at_fork(after_in_child=_start_anew)
