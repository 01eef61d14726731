"""Websockets without a server: asgiref's communicator around a consumer, on a loop of the test's own.

Channels' own communicator cannot be imported where daphne is not installed.
"""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, ClassVar, TypeVar

from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase

from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.realtime import Topic
from django_redis_patterns.realtime.consumers import NotificationConsumer
from django_redis_patterns.sessions import SessionStore

T = TypeVar("T")
PATIENCE = 10


class OpenTopic(Topic):
    pattern = "door.open.{name}"

    async def can_subscribe(self, user: Any, name: str) -> bool:
        return True


class AskedTopic(Topic):
    """Answers what its name says, in the way its name says."""

    pattern = "door.asked.{answer}"

    def can_subscribe(self, user: Any, answer: str) -> Any:
        return {"yes": True, "no": False, "later": self.later(True), "never": self.later(False)}[answer]

    async def later(self, answer: bool) -> bool:
        return answer


class UnclearTopic(Topic):
    """Forgets the ``.exists()``; an empty answer is no clear no either."""

    pattern = "door.unclear.{answer}"

    async def can_subscribe(self, user: Any, answer: str) -> Any:
        return {"queryset": User.objects.filter(pk=7), "one": 1, "nothing": None}[answer]


class BrokenTopic(Topic):
    pattern = "door.broken"

    async def can_subscribe(self, user: Any) -> bool:
        raise RuntimeError("the database is gone")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run *main* to its end on a new loop, and leave no connection behind."""

    async def whole() -> T:
        try:
            return await main
        finally:
            await adisconnect()

    return asyncio.run(whole())


def user(pk: int = 7) -> User:
    return User(pk=pk, username=f"player {pk}")


class Accounts:
    """An authentication backend without a database."""

    changed: ClassVar[dict[int, User | None]] = {}

    def get_user(self, pk: Any) -> User | None:
        return self.changed.get(int(pk), user(int(pk)))


BACKEND = f"{__name__}.Accounts"


def session_of(owner: User, engine: type[SessionBase] = SessionStore) -> Any:
    """Return a saved session, as a login leaves it."""
    session = engine()
    session["_auth_user_id"] = str(owner.pk)
    session["_auth_user_backend"] = BACKEND
    session["_auth_user_hash"] = owner.get_session_auth_hash()
    session.save()
    return session


class Socket(ApplicationCommunicator):
    """One browser's end."""

    async def connect(self) -> None:
        """Connect; the server accepts."""
        await self.send_input({"type": "websocket.connect"})
        assert (await self.receive_output(PATIENCE))["type"] == "websocket.accept"

    async def next(self) -> dict[str, Any]:
        """Return the next frame, or the close message as ``{"code": ...}``."""
        output = await self.receive_output(PATIENCE)
        if output["type"] == "websocket.close":
            return {"code": output["code"]}
        frame: dict[str, Any] = json.loads(output["text"])
        return frame

    async def say(self, kind: str, topic: str | None = None) -> None:
        text = json.dumps({"kind": kind} | ({"topic": topic} if topic else {}))
        await self.send_input({"type": "websocket.receive", "text": text})

    async def ask(self, kind: str, topic: str | None = None) -> dict[str, Any]:
        """Say it and return the next frame."""
        await self.say(kind, topic)
        return await self.next()

    async def closed(self) -> int:
        """Return the code that the server closes with, whatever comes before."""
        while "code" not in (frame := await self.next()):
            pass
        return int(frame["code"])

    async def hang_up(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(PATIENCE)


def socket(
    owner: Any = None,
    session: Any = None,
    *,
    consumer: type[NotificationConsumer] = NotificationConsumer,
    origin: str | None = "http://testserver",
) -> Socket:
    """Return the end of a browser that has not connected yet."""
    headers = [(b"origin", origin.encode())] if origin else []
    scope = {"type": "websocket", "path": "/", "headers": headers, "user": owner or AnonymousUser(), "session": session}
    return Socket(consumer.as_asgi(), scope)


async def opened(owner: Any = None, session: Any = None, **options: Any) -> Socket:
    """Return a socket that is connected and has its user's own topic."""
    owner = owner or user()
    made = socket(owner, session, **options)
    await made.connect()
    assert (await made.next())["topic"] == f"user.{owner.pk}"
    return made
