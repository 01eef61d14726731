"""What a subclass of `NotificationConsumer` can rely on, and that its waiting and its errors hurt nobody."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.test import override_settings

from django_redis_patterns.exceptions import RedisUnavailable, UnknownTopic
from django_redis_patterns.realtime import anotify
from django_redis_patterns.realtime.codes import Close
from django_redis_patterns.realtime.consumers import NotificationConsumer
from django_redis_patterns.realtime.hub import get_hub
from django_redis_patterns.testing.servers import RedisServer

from .sockets import PATIENCE, opened, run, session_of, socket, user


@pytest.fixture
def strict_redis(redis_server: RedisServer, bare_redis: redis.Redis) -> Iterator[str]:
    """The URL of a user who may do anything but subscribe to what is behind the door."""
    bare_redis.execute_command("ACL SETUSER strict on >pw ~* +@all resetchannels &*user* &*control*")
    yield redis_server.url.replace("//", "//strict:pw@")
    bare_redis.execute_command("ACL DELUSER strict")


class Slow(NotificationConsumer):
    """Takes its time to leave, on a wire whose close frame takes some as well."""

    async def connect(self) -> None:
        await super().connect()
        self.calls: list[str] = []
        self.leaving = asyncio.Event()
        self.scope["test.connected"].set_result(self)

    async def disconnect(self, code: int) -> None:
        self.calls.append("open" if self.is_open else "begun")
        self.leaving.set()
        await asyncio.sleep(0.3)
        self.calls.append("done")

    async def send(self, *args: Any, **kwargs: Any) -> None:
        if self.leaving.is_set():
            raise OSError("gone")

    async def close(self, *args: Any, **kwargs: Any) -> None:
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("what", ["event", "logout", "close"])
def test_disconnect_is_called_once(what: str) -> None:
    """And runs to its end, though the user hears something, logs out, or was being refused while the client left."""

    async def main() -> None:
        ann = socket(user(), session, consumer=Slow)
        connected = ann.scope["test.connected"] = asyncio.get_running_loop().create_future()
        await ann.connect()
        consumer = await asyncio.wait_for(connected, PATIENCE)
        if what == "close":
            consumer.end(Close.SLOW)
        leaving = asyncio.create_task(ann.hang_up())
        await asyncio.wait_for(consumer.leaving.wait(), PATIENCE)
        if what == "event":
            await anotify(user(), "x")
        elif what == "logout":
            await session.aflush()
        await leaving
        assert consumer.calls == ["begun", "done"]

    session = session_of(user())
    run(main())


def test_who_is_refused_is_not_open() -> None:
    """What comes after ``super().connect()`` can ask."""
    seen: list[bool] = []

    class Asking(NotificationConsumer):
        async def connect(self) -> None:
            await super().connect()
            seen.append(self.is_open)

    async def main() -> None:
        await (await opened(consumer=Asking)).hang_up()
        guest = socket(consumer=Asking)
        await guest.connect()
        assert await guest.closed() == Close.LOGGED_OUT

    run(main())
    assert seen == [True, False]


def test_who_is_refused_is_not_listened_to() -> None:
    """While the close is on its way, no frame of theirs is taken, and none is sent to them."""
    taken: list[str] = []
    sent: list[str] = []

    class Closing(NotificationConsumer):
        async def on_frame(self, kind: str, frame: dict[str, Any]) -> None:
            taken.append(kind)

        async def send(self, text_data: str | None = None, *args: Any, **kwargs: Any) -> None:
            sent.append(str(text_data))

        async def close(self, *args: Any, **kwargs: Any) -> None:
            self.deliver('{"kind":"late"}')
            closing.set()
            await may_close.wait()
            await super().close(*args, **kwargs)

    async def main() -> None:
        guest = socket(consumer=Closing)
        await guest.connect()
        await asyncio.wait_for(closing.wait(), PATIENCE)
        for _ in range(3):
            await guest.say("wave")
        while not guest.input_queue.empty():  # noqa: ASYNC110
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        may_close.set()
        assert await guest.closed() == Close.LOGGED_OUT
        await guest.wait(PATIENCE)

    closing, may_close = asyncio.Event(), asyncio.Event()
    run(main())
    assert (taken, sent) == ([], [])


def test_a_topic_that_nobody_declares_cannot_be_joined() -> None:
    """It is an error of the site's code, as in `broadcast`."""

    class Lost(NotificationConsumer):
        async def connect(self) -> None:
            await super().connect()
            await self.join("nobody.declares.this")

    async def main() -> None:
        ann = socket(user(), consumer=Lost)
        await ann.connect()
        with pytest.raises(UnknownTopic):
            await ann.wait(PATIENCE)

    run(main())


class Door(NotificationConsumer):
    async def connect(self) -> None:
        await super().connect()
        await self.join("door.open.a")


class Away(NotificationConsumer):
    async def connect(self) -> None:
        await super().connect()
        raise RedisUnavailable("default", "away", ambiguous=False)


@pytest.mark.parametrize("frame", [False, True])
def test_a_missing_permission(frame: bool, strict_redis: str, caplog: pytest.LogCaptureFixture) -> None:
    """Is one line of the log, and the page comes again later; whether connecting or asking met it."""

    async def main() -> None:
        if frame:
            ann = await opened()
            await ann.say("subscribe", "door.open.a")
        else:
            ann = socket(user(), consumer=Door)
            await ann.connect()
        assert await ann.closed() == Close.TRY_LATER
        await ann.wait(PATIENCE)

    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": strict_redis}}):
        run(main())
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "Check its credentials and permissions" in record.getMessage()
    assert record.exc_info is None


def test_redis_goes_away_in_a_subclass() -> None:
    """The page is asked to come again later, and nothing is logged."""

    async def main() -> int:
        ann = socket(user(), consumer=Away)
        await ann.connect()
        return await ann.closed()

    assert run(main()) == Close.TRY_LATER


def test_an_outage_in_disconnect_is_heard() -> None:
    """The socket ends all the same."""

    class Leaving(NotificationConsumer):
        async def disconnect(self, code: int) -> None:
            raise RedisUnavailable("default", "away", ambiguous=False)

    async def main() -> None:
        ann = await opened(consumer=Leaving)
        with pytest.raises(RedisUnavailable):
            await ann.hang_up()

    run(main())


def test_a_join_that_is_given_up(redis_server: RedisServer, bare_redis: redis.Redis) -> None:
    """Leaves no topic that only the socket believes in: it can be subscribed afterwards."""

    class Hasty(NotificationConsumer):
        async def on_frame(self, kind: str, frame: dict[str, Any]) -> None:
            if kind != "hurry":
                return await super().on_frame(kind, frame)
            joining = asyncio.ensure_future(self.join("door.open.a"))
            await asyncio.sleep(0)
            joining.cancel()
            await asyncio.wait([joining])
            assert joining.cancelled()

    async def main() -> None:
        ann = await opened(consumer=Hasty)
        await ann.say("hurry")
        assert (await ann.ask("subscribe", "door.open.a"))["kind"] == "subscribed"
        crowd = (await get_hub())._crowds.get("door.open.a")
        assert crowd is not None
        assert len(crowd.receivers) == 1
        await ann.hang_up()

    run(main())
