"""One subscriber per process and event loop feeds all its sockets: one SUBSCRIBE and one text per topic."""

import asyncio
import logging
from typing import Protocol
from weakref import WeakKeyDictionary, WeakValueDictionary

from django_redis_patterns.conf import settings
from django_redis_patterns.core import trace
from django_redis_patterns.core.subscriber import WAIT, Subscription, asubscriber

from .transmit import channel_of

logger = logging.getLogger("django_redis_patterns.realtime")


class Receiver(Protocol):
    """Whoever joins a topic. Both are called on the event loop and return at once; they never block or await."""

    def deliver(self, text: str) -> None:
        """Take one frame, the same text for all receivers."""

    def reset(self, topic: str) -> None:
        """Hear that the link was lost and is there again: messages of *topic* may be missing."""


class _Crowd:
    """The receivers of one topic, as one listener."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.receivers: dict[Receiver, Subscription] = {}

    def message(self, channel: str, payload: bytes) -> None:
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            trace.count("realtime.undecodable")
            return
        for receiver in list(self.receivers):
            try:
                receiver.deliver(text)
            except Exception:
                self._failed(receiver)

    def gap(self, channel: str) -> None:
        for receiver in list(self.receivers):
            try:
                receiver.reset(self.topic)
            except Exception:
                self._failed(receiver)

    def _failed(self, receiver: Receiver) -> None:
        trace.count("realtime.receiver_failed")
        logger.exception("%r failed on %s; the others were served.", receiver, self.topic)


class Hub:
    """Who on this event loop has joined what."""

    def __init__(self) -> None:
        # A crowd lives as long as the subscriber knows it, or somebody is joining.
        self._crowds: WeakValueDictionary[str, _Crowd] = WeakValueDictionary()

    async def join(self, topic: str, receiver: Receiver, *, wait: float | None = WAIT) -> None:
        """Let *receiver* have what is published on *topic* from when this returns, in order. To join twice is to join.

        Permission is the caller's business. Raises `RedisUnavailable` when Redis has not confirmed within *wait*
        seconds (None: waits for ever), `RedisDenied` when it refuses.
        """
        crowd = self._crowds.get(topic)
        if crowd is None:
            crowd = self._crowds[topic] = _Crowd(topic)
        subscriber = await asubscriber(settings().realtime.connection)
        subscription = await subscriber.subscribe(channel_of(topic), crowd, wait=wait)
        if (before := crowd.receivers.pop(receiver, None)) is not None:
            before.close()
        crowd.receivers[receiver] = subscription

    def leave(self, topic: str, receiver: Receiver) -> None:
        """Give *receiver* nothing more of *topic*. It need not have joined."""
        crowd = self._crowds.get(topic)
        if crowd is not None and (subscription := crowd.receivers.pop(receiver, None)) is not None:
            subscription.close()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


async def get_hub() -> Hub:
    """Return the hub of the running event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
