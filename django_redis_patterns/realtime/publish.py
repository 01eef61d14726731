"""Tell users and topics: from views, tasks, signals and commands, sync or async, without a connection of its own.

The sync faces wait for the commit (all of one commit in one trip, nothing on rollback); ``now=True`` does not. A
publish after a commit that fails is logged and counted, never an error of the request. The async twins act at once.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Manager, Model

from . import envelope
from .topics import UserTopic, declared
from .transmit import Message, atransmit, send

NEITHER = (Manager, type, bytes, bytearray, memoryview)


def notify(users: Any, type: str, data: Any = None, *, now: bool = False, using: str = DEFAULT_DB_ALIAS) -> None:
    """Send the event *type* with *data* to one user or to each of several, on all their open pages.

    *users* is a user, a primary key, or an iterable of these; *using* is the database whose commit is waited for.
    Raises at once TypeError for anything else and `SerializationError` for data that JSON cannot hold, and with *now*
    `RedisUnavailable`.
    One PUBLISH per user, one trip. At most once: who is not connected misses it.
    """
    send(*_to_users(users, type, data), now=now, using=using)


async def anotify(users: Any, type: str, data: Any = None) -> None:
    """Do the same at once. Raises `RedisUnavailable`."""
    together = [user async for user in users] if hasattr(users, "__aiter__") else users
    await atransmit(*_to_users(together, type, data))


def broadcast(topic: str, type: str, data: Any = None, *, now: bool = False, using: str = DEFAULT_DB_ALIAS) -> None:
    """Send the event *type* with *data* to everybody who listens to *topic*.

    Raises `UnknownTopic` when no class declares it; otherwise as `notify`.
    """
    send(_to_topic(declared(topic).name, type, data), now=now, using=using)


async def abroadcast(topic: str, type: str, data: Any = None) -> None:
    """Do the same at once. Raises `RedisUnavailable`."""
    await atransmit(_to_topic(declared(topic).name, type, data))


def _to_topic(name: str, type: str, data: Any) -> Message:
    return Message(name, envelope.event(name, type, data))


def _to_users(users: Any, type: str, data: Any) -> list[Message]:
    is_one = hasattr(users, "pk") or isinstance(users, (str, *NEITHER)) or not isinstance(users, Iterable)
    together = [users] if is_one else users
    return [_to_topic(UserTopic.of(_checked(user)).name, type, data) for user in together]


def _checked(user: Any) -> Any:
    """Refuse what is no user though it has a primary key or a text."""
    is_other = isinstance(user, Model) and not isinstance(user, get_user_model())
    if is_other or isinstance(user, NEITHER):
        raise TypeError(f"{user!r} cannot be notified: pass a user, a primary key, or an iterable of these.")
    return user
