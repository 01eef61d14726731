"""From a text to the channel of its topic: one PUBLISH each, one trip for all."""

from dataclasses import dataclass

from django.db import DEFAULT_DB_ALIAS

from django_redis_patterns.conf import settings
from django_redis_patterns.core.commit import after_commit_together
from django_redis_patterns.core.keys import key
from django_redis_patterns.core.operations import IO, both

from .database import database_parts


@dataclass(frozen=True, eq=False)  # two equal messages are two messages: a commit sends both
class Message:
    """A frame's text on its way to a topic."""

    topic: str
    text: str


def channel_of(topic: str) -> str:
    """Return the Redis channel that carries *topic*."""
    return key("realtime", topic, *database_parts(settings().realtime.connection))


async def _transmit(io: IO, *messages: Message) -> None:
    """PUBLISH *messages* now, in their order, in one trip. Raises `RedisUnavailable`."""
    io = io.on(settings().realtime.connection)
    await io.gather(*(_publish(io, message) for message in messages))


async def _publish(io: IO, message: Message) -> None:
    await io.redis.publish(channel_of(message.topic), message.text)


transmit, atransmit = both(_transmit)


def send(*messages: Message, now: bool = False, using: str = DEFAULT_DB_ALIAS) -> None:
    """Transmit *messages* when the transaction on the database *using* commits, or *now*."""
    if now:
        transmit(*messages)
    else:
        after_commit_together(using, transmit, *messages)
