"""Websockets: connections, frames and bytes; what a flood costs, and what the client hears."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer, WebsocketConsumer
from django.contrib.auth.models import AnonymousUser, User

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.ratelimit.consumers import RateLimitedConsumer
from django_redis_patterns.ratelimit.rate import Rate
from django_redis_patterns.ratelimit.window import SLICES, Window

T = TypeVar("T")
PATIENCE = 10


@pytest.fixture(autouse=True)
def may_look_at_database_connections(known_scripts: None, django_db_blocker: Any) -> Any:
    """Channels looks at those of Django's thread, which tests of other rooms may have opened."""
    with django_db_blocker.unblock():
        yield


def run(main: Coroutine[Any, Any, T]) -> T:
    async def whole() -> T:
        try:
            return await main
        finally:
            await adisconnect()

    return asyncio.run(whole())


def consumer(base: type = AsyncWebsocketConsumer, action: str = "close", **limits: Any) -> Any:
    class Echo(RateLimitedConsumer, base):  # type: ignore[misc]
        ratelimit = limits
        on_limit = action

        async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_: Any) -> None:
            await self.send(text_data=text_data, bytes_data=bytes_data)

    return Echo


class Heard(list):  # type: ignore[type-arg]
    """What a client heard, and what it cost."""

    trips = 0


class Socket(ApplicationCommunicator):
    """One client; ``log`` is what Redis was told because of it."""

    def __init__(self, app: Any, scope: Any) -> None:
        async def listened(*args: Any) -> None:
            with trace.record() as self.log:
                await app(*args)

        super().__init__(listened, scope)

    async def connect(self) -> str:
        await self.send_input({"type": "websocket.connect"})
        return str((await self.receive_output(PATIENCE))["type"])

    async def say(self, text: str | None = None, data: bytes | None = None) -> None:
        await self.send_input({"type": "websocket.receive", "text": text, "bytes": data})

    async def hear(self) -> Any:
        output = await self.receive_output(PATIENCE)
        return output.get("text") or output.get("bytes") or output.get("code")

    async def leave(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(PATIENCE)


def socket(kind: Any, ip: str = "192.0.2.1", user: Any = None, **scope: Any) -> Socket:
    given = {"type": "websocket", "path": "/", "headers": [], "client": [ip, 4711], "user": user or AnonymousUser()}
    return Socket(kind.as_asgi(), given | scope)


async def knock(kind: Any) -> str:
    """Connect, and leave if let in; return what the server said."""
    one = socket(kind)
    answer = await one.connect()
    await one.leave()
    return answer


async def conversation(kind: Any, *said: str, **options: Any) -> Heard:
    """Connect, say it all, say goodbye; return what was heard meanwhile."""
    one = socket(kind, **options)
    assert await one.connect() == "websocket.accept"
    for text in said:
        await one.say(text)
    await one.leave()
    heard = Heard()
    while not one.output_queue.empty():
        heard.append(await one.hear())
    heard.trips = one.log.trips
    return heard


def test_a_flood_is_closed() -> None:
    heard = run(conversation(consumer(message="2/m"), "a", "b", "c", "d"))
    assert heard == ["a", "b", 4429]


def test_a_flood_may_be_dropped() -> None:
    heard = run(conversation(consumer(action="drop", message="2/m"), "a", "b", "c", "d"))
    assert heard == ["a", "b"]


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, AsyncJsonWebsocketConsumer])
def test_a_flood_may_be_warned_once(base: type) -> None:
    heard = run(conversation(consumer(base, action="warn", message="2/m"), '"a"', '"b"', '"c"', '"d"'))
    assert heard[:2] == ['"a"', '"b"']
    (warning,) = map(json.loads, heard[2:])
    assert warning["type"] == "rate_limited"
    assert warning["limit"] == "message"
    assert 0 < warning["retry_after"] <= 64


def test_who_is_within_the_limit_again_is_warned_again() -> None:
    async def main() -> list[Any]:
        one = socket(consumer(action="warn", message="1/s"))
        await one.connect()
        heard = []
        for pause in (0, 0, 1.2, 0):
            await asyncio.sleep(pause)
            await one.say("a")
            heard.append(await one.hear())
        await one.leave()
        return heard

    heard = run(main())
    assert [text == "a" for text in heard] == [True, False, True, False]


def test_bytes_are_counted_in_utf_8() -> None:
    kind = consumer(bytes="10/m")
    assert run(conversation(kind, "a" * 10, "a")) == ["a" * 10, 4429]
    assert run(conversation(kind, "é" * 6, ip="192.0.2.2")) == [4429]
    assert run(conversation(kind, "", "a", ip="192.0.2.3")) == [None, "a"]


def test_bytes_of_a_binary_frame() -> None:
    async def main() -> list[Any]:
        one = socket(consumer(bytes="10/m"))
        await one.connect()
        for data in (b"x" * 10, b"x"):
            await one.say(data=data)
        heard = [await one.hear() for _ in range(2)]
        await one.leave()
        return heard

    assert run(main()) == [b"x" * 10, 4429]


def test_messages_and_bytes_are_one_trip() -> None:
    heard = run(conversation(consumer(message="9/m", bytes="99/m"), "hello"))
    assert (heard, heard.trips) == (["hello"], 1)


def test_a_flood_costs_no_trips() -> None:
    heard = run(conversation(consumer(action="drop", message="5/m"), *("x" * 500)))
    assert (len(heard), heard.trips) == (5, 5)


def test_all_sockets_of_a_client_count_together() -> None:
    kind = consumer(message="3/m")

    async def main() -> list[list[Any]]:
        return [await conversation(kind, "a", "b"), await conversation(kind, "c", "d", "e")]

    assert run(main()) == [["a", "b"], ["c", 4429]]


def test_a_user_is_one_client_wherever_they_are() -> None:
    kind = consumer(message="2/m")
    ann, bob = User(pk=1), User(pk=2)

    async def main() -> list[list[Any]]:
        return [
            await conversation(kind, "a", "b", user=ann, ip="192.0.2.1"),
            await conversation(kind, "c", user=ann, ip="192.0.2.2"),
            await conversation(kind, "d", user=bob, ip="192.0.2.2"),
        ]

    assert run(main()) == [["a", "b"], [4429], ["d"]]


def test_connections_are_counted() -> None:
    kind = consumer(connect="2/m")

    async def main() -> list[str]:
        return [await knock(kind) for _ in range(3)]

    assert run(main()) == ["websocket.accept", "websocket.accept", "websocket.close"]


def test_a_server_that_can_answers_429() -> None:
    kind = consumer(connect="1/m")

    async def main() -> tuple[Any, Any]:
        await knock(kind)
        one = socket(kind, extensions={"websocket.http.response": {}})
        await one.send_input({"type": "websocket.connect"})
        answer = await one.receive_output(PATIENCE), await one.receive_output(PATIENCE)
        await one.wait(PATIENCE)
        return answer

    start, body = run(main())
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 429)
    assert 0 < int(dict(start["headers"])[b"retry-after"]) <= 64
    assert body == {"type": "websocket.http.response.body", "body": b""}


def test_who_is_refused_never_reaches_the_consumer() -> None:
    reached = []

    class Quiet(RateLimitedConsumer, AsyncWebsocketConsumer):
        ratelimit = {"connect": "1/m"}

        async def connect(self) -> None:
            reached.append("connect")
            await self.accept()

        async def disconnect(self, code: int) -> None:
            reached.append("disconnect")

    async def main() -> None:
        for _ in range(2):
            one = socket(Quiet)
            await one.connect()
            await one.send_input({"type": "websocket.disconnect", "code": 1000})
            await one.wait(PATIENCE)

    run(main())
    assert reached == ["connect", "disconnect"]


def test_without_redis_each_socket_is_limited_for_itself(settings: Any) -> None:
    settings.REDIS_PATTERNS = {"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}}
    assert run(conversation(consumer(message="2/m"), "a", "b", "c")) == ["a", "b", 4429]


def test_without_limits_nothing_is_asked() -> None:
    heard = run(conversation(consumer(), "a", "b"))
    assert (heard, heard.trips) == (["a", "b"], 0)


def test_an_unknown_client_is_limited_for_itself() -> None:
    heard = run(conversation(consumer(message="1/m"), "a", "b", client=None))
    assert (heard, heard.trips) == (["a", 4429], 0)


def test_limits_are_inherited() -> None:
    class Child(consumer(message="1/m")):  # type: ignore[misc]
        pass

    assert run(conversation(Child, "a", "b")) == ["a", 4429]


@pytest.mark.parametrize(
    ("base", "options", "message"),
    [
        (AsyncWebsocketConsumer, {"messages": "1/m"}, "limits connect, message, bytes, not messages"),
        (AsyncWebsocketConsumer, {"message": "1/month"}, "is no rate"),
        (AsyncWebsocketConsumer, {"action": "shout"}, '"close", "drop" or "warn", not \'shout\''),
        (WebsocketConsumer, {}, "is a sync consumer"),
    ],
)
def test_a_mistake_is_named(base: type, options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        consumer(base, **options)


def test_a_window_never_says_more_than_was_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("django_redis_patterns.ratelimit.window.time.monotonic", lambda: now)
    window = Window(Rate.parse("10/16s"))
    window.add(4)
    now += 8.5
    window.add(6)
    assert 0 < window.retry_after(1) <= 16
    assert window.retry_after(0) == 0.0
    now = 1016.0
    assert window.retry_after(4) == 0.0
    assert window.retry_after(5) > 0


def test_a_window_has_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("django_redis_patterns.ratelimit.window.time.monotonic", lambda: now)
    window = Window(Rate.parse("1000000/16s"))
    for _ in range(5000):
        now += 0.01
        window.retry_after(1)
        window.add(1)
    assert len(window._slices) <= SLICES
