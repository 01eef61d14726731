"""Who listens to what, and what the link has to say because of it: the subscriber without its reading and writing."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import redis

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections.errors import named
from django_redis_patterns.exceptions import RedisDenied, RedisUnavailable

from .link import Backoff
from .resp import ErrorReply, pack

#: Seconds that `subscribe` waits for Redis to confirm, unless told otherwise.
WAIT = 2.0
#: Seconds between two looks at the link. What follows is counted in such ticks and not by the clock, so that a
#: process that was held up itself does not blame the link.
TICK = 0.5
PING_AFTER = 4
LOST_AFTER = 6
LINGER = 20
#: The most channels that one SUBSCRIBE names.
MOST_AT_ONCE = 512

logger = logging.getLogger("django_redis_patterns.subscriber")


class Listener(Protocol):
    """Both are called on the event loop, or in the subscriber's thread, and must be short.

    An exception in one is logged and counted, and hurts nobody else.
    """

    def message(self, channel: str, payload: bytes) -> None:
        """Take what was published on *channel*."""

    def gap(self, channel: str) -> None:
        """Hear that the link was lost and *channel* is subscribed again: messages may be missing."""


@dataclass(eq=False)
class Subscription:
    """One listener on one channel, until `close`."""

    channel: str
    listener: Listener
    settle: Callable[[Exception | None], None] = field(repr=False)  # told once: confirmed, or why not
    leave: Callable[["Subscription"], None] = field(repr=False)

    def __post_init__(self) -> None:
        # What is wrong with these is the caller's to hear, not the link's.
        self.name = self.channel.encode()
        hash(self.listener)

    def close(self) -> None:
        """Stop listening; on an event loop, from that loop. Closing twice is no error.

        The channel stays subscribed for some seconds more, so that coming back to it costs nothing.
        """
        self.leave(self)


class _Command(NamedTuple):
    verb: bytes
    channels: set[bytes]


@dataclass
class _Channel:
    name: str
    is_confirmed: bool = False
    is_refused: bool = False
    waiting: list[Subscription] = field(default_factory=list)
    # The same listener subscribed twice hears a message once.
    live: dict[Listener, set[Subscription]] = field(default_factory=dict)


class Channels:
    """The channels of one subscriber. Not thread-safe: one loop or one thread owns it."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._channels: dict[bytes, _Channel] = {}
        self._leaving: dict[bytes, int] = {}  # channels without listeners, and the ticks that are left to them
        self._new: list[bytes] = []
        self._singly: list[bytes] = []
        self._gone: list[bytes] = []
        self._is_ping_due = False
        self._unanswered: deque[_Command] = deque()
        self._quiet = 0  # ticks
        self._backoff = Backoff()
        self._logged = 0  # the level at which this outage was logged

    @property
    def is_idle(self) -> bool:
        """Whether nobody listens any more, or has listened a moment ago."""
        return not self._channels

    def add(self, subscription: Subscription) -> None:
        name = subscription.name
        self._leaving.pop(name, None)
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = _Channel(subscription.channel)
            self._new.append(name)
        if channel.is_confirmed:
            channel.live.setdefault(subscription.listener, set()).add(subscription)
            subscription.settle(None)
            return
        channel.waiting.append(subscription)
        if channel.is_refused:  # for those who had it before; now somebody asks again
            channel.is_refused = False
            self._singly.append(name)

    def drop(self, subscription: Subscription) -> None:
        name = subscription.name
        channel = self._channels.get(name)
        if channel is None:
            return
        if subscription in channel.waiting:
            channel.waiting.remove(subscription)
        mine = channel.live.get(subscription.listener, set())
        mine.discard(subscription)
        if not mine:
            channel.live.pop(subscription.listener, None)
        if not channel.live and not channel.waiting:
            self._leaving.setdefault(name, LINGER)

    def connected(self) -> None:
        """A new link is there, which has heard nothing yet."""
        self._new, self._singly, self._gone = list(self._channels), [], []
        self._unanswered.clear()
        self._quiet, self._is_ping_due = 0, False

    def disconnected(self) -> None:
        """The link is gone."""
        for channel in self._channels.values():
            channel.is_confirmed = channel.is_refused = False

    def failed(self, error: Exception) -> float:
        """The link broke, or could not be made: return the seconds until the next attempt.

        It is logged the first time. Those who wait are told when Redis refuses us.
        """
        reason = named(error, self._alias) if isinstance(error, redis.RedisError) else error
        if isinstance(reason, RedisDenied):
            self._refuse(reason)
        for name in self._leaving:
            del self._channels[name]
        self._leaving.clear()
        level = logging.ERROR if isinstance(reason, RedisDenied) else logging.WARNING
        if level != self._logged:
            self._logged = level
            trace.count("subscriber.lost")
            logger.log(level, "The subscriber of Redis connection %r is cut off, and tries on: %s", self._alias, reason)
        return self._backoff.next()

    def close(self) -> None:
        """Nothing will be heard any more: tell those who wait."""
        self._refuse(RedisUnavailable(self._alias, "the subscriber was closed", ambiguous=True))
        self._channels.clear()
        self._leaving.clear()

    def _refuse(self, reason: Exception) -> None:
        for channel in list(self._channels.values()):
            self._refuse_channel(channel, reason)

    def _refuse_channel(self, channel: _Channel, reason: Exception) -> None:
        for subscription in list(channel.waiting):
            self.drop(subscription)
            subscription.settle(reason)

    def tick(self) -> bool:
        """Let time pass. Returns False when the link has been quiet for too long, even after a PING."""
        self._quiet += 1
        self._is_ping_due = self._is_ping_due or self._quiet == PING_AFTER
        for name in list(self._leaving):
            self._leaving[name] -= 1
            if self._leaving[name] <= 0 and self._channels[name].is_confirmed:
                del self._leaving[name], self._channels[name]
                self._gone.append(name)
        return self._quiet < LOST_AFTER

    def outgoing(self) -> bytes:
        """Return what is to be sent, and take it as sent."""
        commands = [_Command(b"UNSUBSCRIBE", set(self._gone))] if self._gone else []
        new = [self._new[i : i + MOST_AT_ONCE] for i in range(0, len(self._new), MOST_AT_ONCE)]
        commands += [_Command(b"SUBSCRIBE", set(names)) for names in new]
        commands += [_Command(b"SUBSCRIBE", {name}) for name in self._singly]
        commands += [_Command(b"PING", set())] if self._is_ping_due else []
        self._new, self._singly, self._gone, self._is_ping_due = [], [], [], False
        self._unanswered += commands
        return b"".join(pack(command.verb, *command.channels) for command in commands)

    def received(self, reply: Any) -> None:
        """Take one reply. Raises ConnectionError for one that says that this link is no use."""
        self._quiet = 0
        if isinstance(reply, ErrorReply):
            self._error(reply)
        elif isinstance(reply, list) and len(reply) == 3 and reply[0] == b"message":
            self._message(reply[1], reply[2])
        elif isinstance(reply, list) and len(reply) == 3:
            self._answered(reply[0], reply[1])
        else:
            self._answered(b"PING")

    def _message(self, name: bytes, payload: bytes) -> None:
        channel = self._channels.get(name)
        if channel is not None:
            for listener in list(channel.live):
                self._tell(listener.message, channel.name, payload)

    def _answered(self, verb: bytes, name: bytes = b"") -> None:
        command = self._unanswered[0] if self._unanswered else None
        if command is None or command.verb != verb.upper() or (command.channels and name not in command.channels):
            raise ConnectionError(f"{verb!r} was answered, and not asked.")
        command.channels.discard(name)
        if not command.channels:
            self._unanswered.popleft()
        if command.verb == b"SUBSCRIBE" and name in self._channels:
            self._confirmed(self._channels[name])

    def _confirmed(self, channel: _Channel) -> None:
        if self._logged:
            logger.info("The subscriber of Redis connection %r is back.", self._alias)
        self._logged = 0
        self._backoff.reset()
        channel.is_confirmed = True
        for listener in list(channel.live):
            self._tell(listener.gap, channel.name)
        waiting, channel.waiting = channel.waiting, []
        for subscription in waiting:
            channel.live.setdefault(subscription.listener, set()).add(subscription)
            subscription.settle(None)

    def _error(self, error: ErrorReply) -> None:
        """Redis refused the oldest command: no use unless it is about permissions, which may differ by channel."""
        if error.code != "NOPERM" or not self._unanswered:
            raise error.as_redis_error()
        command = self._unanswered.popleft()
        if command.verb != b"SUBSCRIBE":
            return
        if len(command.channels) > 1:
            self._singly += command.channels
            return
        (name,) = command.channels
        if (channel := self._channels.get(name)) is not None:
            self._refused(name, channel, RedisDenied(self._alias, error))

    def _refused(self, name: bytes, channel: _Channel, reason: RedisDenied) -> None:
        channel.is_refused = True
        self._refuse_channel(channel, reason)
        if channel.live:
            logger.error("%s may not be listened to any more: %s", channel.name, reason)
        else:
            del self._channels[name]
            self._leaving.pop(name, None)

    def _tell(self, hear: Callable[..., None], *what: Any) -> None:
        try:
            hear(*what)
        except Exception:
            trace.count("subscriber.listener_failed")
            logger.exception("A listener on %s failed; the others were told.", what[0])
