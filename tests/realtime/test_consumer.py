"""`NotificationConsumer`: what a socket hears, what it may ask, and why it is closed."""

import asyncio
import gc
import logging
import threading
import weakref
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import override_settings

from django_redis_patterns.realtime import abroadcast, anotify, line, watch
from django_redis_patterns.realtime.codes import Close
from django_redis_patterns.realtime.consumers import NotificationConsumer
from django_redis_patterns.realtime.frames import BadFrame
from django_redis_patterns.realtime.hub import get_hub

from .sockets import PATIENCE, opened, run, session_of, socket, user


class Guests(NotificationConsumer):
    login_required = False


def test_the_users_own_topic_comes_by_itself() -> None:
    """Who is logged in hears what is notified to them, in order, and not what others are told."""

    async def main() -> list[Any]:
        ann = await opened(user(7))
        await anotify(user(8), "x", {})
        for n in range(3):
            await anotify(user(7), "order.created", {"id": n})
        heard = [await ann.next() for _ in range(3)]
        await ann.hang_up()
        return heard

    assert run(main()) == [
        {"kind": "event", "topic": "user.7", "type": "order.created", "data": {"id": n}} for n in range(3)
    ]


def test_frames_of_the_wire() -> None:
    """Every frame of a client has its answer; epoch and offset have their places from the first day."""

    async def main() -> None:
        ann = await opened()
        name = "door.open.a"
        subscribed = {"kind": "subscribed", "topic": name, "epoch": None, "offset": None}
        assert await ann.ask("subscribe", name) == subscribed
        assert await ann.ask("subscribe", name) == subscribed
        await abroadcast(name, "opened", [1])
        assert await ann.next() == {"kind": "event", "topic": name, "type": "opened", "data": [1]}
        assert await ann.ask("unsubscribe", name) == {"kind": "unsubscribed", "topic": name}
        assert await ann.ask("unsubscribe", name) == {"kind": "unsubscribed", "topic": name}
        await abroadcast(name, "opened")
        assert await ann.ask("ping") == {"kind": "pong"}
        await ann.hang_up()

    run(main())


@pytest.mark.parametrize(
    ("topic", "answer"),
    [
        ("door.open.a", "subscribed"),
        ("door.asked.yes", "subscribed"),
        ("door.asked.later", "subscribed"),  # a def that returns an awaitable
        ("door.asked.no", "denied"),
        ("door.asked.never", "denied"),
        ("user.8", "denied"),
        ("nobody.declares.this", "denied"),
        ("~control", "denied"),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine 'AskedTopic.later' was never awaited")
def test_permission(topic: str, answer: str) -> None:
    """A topic is asked, sync or async; unknown and forbidden look the same."""

    async def main() -> dict[str, Any]:
        ann = await opened()
        told = await ann.ask("subscribe", topic)
        await ann.hang_up()
        return told

    told = run(main())
    assert (told["kind"], told["topic"]) == (answer, topic)
    assert answer == "subscribed" or set(told) == {"kind", "topic"}


def test_an_error_in_can_subscribe_is_a_no(caplog: pytest.LogCaptureFixture) -> None:
    """The error is logged, the subscription denied, and the socket lives."""

    async def main() -> None:
        ann = await opened()
        assert (await ann.ask("subscribe", "door.broken"))["kind"] == "denied"
        assert await ann.ask("ping") == {"kind": "pong"}
        await ann.hang_up()

    run(main())
    assert "BrokenTopic.can_subscribe failed" in caplog.text


@pytest.mark.parametrize("answer", ["queryset", "one", "nothing"])
def test_an_answer_that_is_not_clear_is_a_no(answer: str, caplog: pytest.LogCaptureFixture) -> None:
    """A queryset is a yes to Python; the log says what the answer was."""

    async def main() -> None:
        ann = await opened()
        assert (await ann.ask("subscribe", f"door.unclear.{answer}"))["kind"] == "denied"
        await ann.hang_up()

    run(main())
    kind = {"queryset": "QuerySet", "one": "int", "nothing": "NoneType"}[answer]
    assert f"UnclearTopic.can_subscribe answered with a {kind}" in caplog.text


def test_guests() -> None:
    """Without a login there is no user's topic; others may be subscribed."""

    async def main() -> None:
        guest = socket(consumer=Guests)
        await guest.connect()
        assert (await guest.ask("subscribe", "door.open.a"))["kind"] == "subscribed"
        await guest.hang_up()

    run(main())


GARBAGE = [
    "x",
    "",
    "[]",
    "7",
    "null",
    "NaN",
    '{"kind": "ping", "n": NaN}',
    '{"kind": "ping", "n": 1e999',
    '{"kind": 7}',
    '{"kind": "dance"}',
    '{"kind": "subscribe"}',
    '{"kind": "subscribe", "topic": 7}',
    '{"kind": "subscribe", "topic": ""}',
    '{"kind": "subscribe", "topic": "\\ud800"}',
    '{"kind": "subscribe", "topic": "a\\u0000b"}',
    '{"kind": "subscribe", "topic": "%s"}' % ("x" * 201),
    "[" * 16000,
    '{"kind":' * 1500,
    "9" * 16000,
]


@pytest.mark.parametrize("text", GARBAGE, ids=lambda text: text[:40])
def test_garbage_is_answered_and_not_logged(text: str, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be read gets an error frame; the socket lives, and no log fills up."""

    async def main() -> None:
        ann = await opened()
        await ann.send_input({"type": "websocket.receive", "text": text})
        assert (await ann.next())["kind"] == "error"
        assert await ann.ask("ping") == {"kind": "pong"}
        await ann.hang_up()

    run(main())
    assert not caplog.records


async def refused(owner: Any = None, **options: Any) -> int:
    made = socket(owner, **options)
    await made.connect()  # only after accepting can a browser see the code
    return await made.closed()


async def after(*messages: dict[str, Any], **options: Any) -> int:
    ann = await opened(**options)
    for message in messages:
        await ann.send_input({"type": "websocket.receive"} | message)
    return await ann.closed()


def frames(kind: str, *topics: str) -> list[dict[str, Any]]:
    return [{"text": f'{{"kind": "{kind}", "topic": "{topic}"}}'} for topic in topics]


def test_close_garbage() -> None:
    """The third unreadable frame is the last; bytes are unreadable."""
    assert run(after({"text": "x"}, {"bytes": b"\xff\x00"}, {"text": "[]"})) == Close.GARBAGE == 4400


def test_close_not_logged_in() -> None:
    """A consumer that needs a login has none for guests."""
    assert run(refused()) == Close.LOGGED_OUT == 4401


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "https://evil.example",
        "http://testserver.evil.example",
        "null",
        "http://[",
        "",
        "testserver",
        "http://testserver@evil.example",
        "http://evil.example#@testserver",
        "http://testserver.",
        "http://eviltestserver",
        "http://testserver,http://evil.example",
    ],
)
def test_close_foreign_origin(origin: str | None) -> None:
    """Pages of other hosts are refused, with or without a validator around the consumer."""
    with override_settings(ALLOWED_HOSTS=["testserver"]):
        assert run(refused(user(), origin=origin)) == Close.FOREIGN_ORIGIN == 4403


@pytest.mark.parametrize("hosts", [["testserver"], [".testserver"], ["*"], ["other", "testserver"]])
def test_own_origins(hosts: list[str]) -> None:
    """ALLOWED_HOSTS says who is at home, with its wildcards."""

    async def main() -> None:
        await (await opened()).hang_up()

    with override_settings(ALLOWED_HOSTS=hosts):
        run(main())


@pytest.mark.parametrize("message", [{"text": "x" * 16385}, {"text": "ä" * 8193}, {"bytes": b"x" * 16385}])
def test_close_frame_too_big(message: dict[str, Any]) -> None:
    """16 KB in bytes, not in characters."""
    assert run(after(message)) == Close.FRAME_TOO_BIG == 4409


def test_close_too_many_topics() -> None:
    """A socket has 64 topics; all of them may be asked for at once; denied ones do not count."""
    fill = frames("subscribe", *(f"nobody.{n}" for n in range(20)), *(f"door.open.{n}" for n in range(63)))

    async def main() -> int:
        ann = await opened()
        for message in fill:
            await ann.send_input({"type": "websocket.receive"} | message)
        kinds = [(await ann.next())["kind"] for _ in fill]
        assert kinds.count("subscribed") == 63
        assert await ann.ask("subscribe", "door.open.1") == {
            "kind": "subscribed", "topic": "door.open.1", "epoch": None, "offset": None,
        }  # fmt: skip
        await ann.say("subscribe", "door.open.one-more")
        return await ann.closed()

    assert run(main()) == Close.TOO_MANY_TOPICS == 4413


def test_close_flood() -> None:
    """A burst passes, a flood does not."""
    assert run(after(*[{"text": '{"kind":"ping"}'}] * 400)) == Close.FLOOD == 4429


def test_close_when_redis_is_away() -> None:
    """A new socket cannot listen: it is asked to come again later."""
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}}):
        assert run(refused(user())) == Close.TRY_LATER == 1013


class Wire:
    """A server's end that takes no frame after the handshake, as one does whose client does not read."""

    def __init__(self) -> None:
        self.is_joined = asyncio.Event()
        self.at_once: list[str] = []
        self.most_at_once = 0
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.accept":
            return
        if '"subscribed"' in message.get("text", ""):
            self.is_joined.set()
            return
        self.at_once.append(message["type"])
        self.most_at_once = max(self.most_at_once, len(self.at_once))
        try:
            await asyncio.Event().wait()
        finally:
            self.at_once.remove(message["type"])


@pytest.mark.parametrize(("size", "fits"), [(1, 256), (8192, 120)], ids=["by number", "by bytes"])
def test_close_slow(size: int, fits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that never reads is given up, though it does not even take the close frame, and is forgotten."""
    monkeypatch.setattr(line, "PATIENCE", 0.05)

    async def main() -> None:
        wire, codes = Wire(), []

        class Noting(NotificationConsumer):
            async def disconnect(self, code: int) -> None:
                codes.append(code)

        scope = socket(user()).scope
        await wire.incoming.put({"type": "websocket.connect"})
        serving = asyncio.create_task(Noting.as_asgi()(scope, wire.incoming.get, wire.send))
        await asyncio.wait_for(wire.is_joined.wait(), PATIENCE)
        for _ in range(fits):
            await anotify(user(), "x", "y" * size)
        await asyncio.sleep(0.1)
        assert not codes
        for _ in range(20):
            await anotify(user(), "x", "y" * size)
        await asyncio.wait_for(serving, PATIENCE)
        assert (wire.most_at_once, wire.at_once) == (1, [])
        assert codes == [Close.SLOW] == [4408]
        assert not await listening("user.7")

    run(main())


def test_what_was_sent_waits_no_more() -> None:
    """A client that reads may hear any amount: only what waits is counted."""

    async def main() -> None:
        ann = await opened()
        for n in range(200):
            await anotify(user(), "x", [n, "y" * 8192])
            assert (await ann.next())["data"][0] == n
        await ann.hang_up()

    run(main())


STAYING = {"test_nothing_stays.<locals>.main", "run.<locals>.whole", "AsyncSubscriber._run"}


async def listening(topic: str) -> bool:
    crowd = (await get_hub())._crowds.get(topic)
    return crowd is not None and bool(crowd.receivers)


@pytest.mark.parametrize("way", ["hang up", "close", "cancel"])
def test_nothing_stays(way: str) -> None:
    """However a socket ends: no task, no subscription, no watch and no reference is left."""
    seen: list[weakref.ref[Any]] = []

    class Noted(NotificationConsumer):
        async def connect(self) -> None:
            seen.append(weakref.ref(self))
            await super().connect()

    async def one() -> None:
        ann = await opened(session=session, consumer=Noted)
        seen.append(weakref.ref(watch.watch()))
        await ann.ask("subscribe", "door.open.a")
        await abroadcast("door.open.a", "x")
        await ann.next()
        if way == "hang up":
            await ann.hang_up()
        elif way == "close":
            seen[-2]().end(4000)
            assert await ann.closed() == 4000
            await ann.wait(PATIENCE)
        else:
            ann.future.cancel()
            await asyncio.wait([ann.future])

    async def main() -> None:
        for _ in range(3):
            await one()
        assert not await listening("user.7")
        assert not await listening("door.open.a")
        assert not watch._watches
        ending = [task for task in asyncio.all_tasks() if task.get_coro().__qualname__ not in STAYING]
        await asyncio.wait_for(asyncio.gather(*ending, return_exceptions=True), PATIENCE)
        del ending
        gc.collect()
        assert [ref() for ref in seen] == [None] * 6

    session = session_of(user())
    run(main())


def test_messages_do_not_hop_threads() -> None:
    """Events, pings and unsubscribes pass while Django's one thread is busy."""

    async def main() -> None:
        ann = await opened()
        free = threading.Event()
        busy = asyncio.ensure_future(sync_to_async(free.wait)(PATIENCE))
        await asyncio.sleep(0.05)
        try:
            await anotify(user(), "x")
            assert (await ann.next())["type"] == "x"
            assert await ann.ask("ping") == {"kind": "pong"}
            assert (await ann.ask("unsubscribe", "user.7"))["kind"] == "unsubscribed"
            assert not busy.done()
        finally:
            free.set()
            await busy
        await ann.hang_up()

    run(main())


def test_a_subclass() -> None:
    """A site adds topics when a page connects, takes frames of its own, and hears of the end."""
    codes: list[int] = []

    class Lobby(NotificationConsumer):
        async def connect(self) -> None:
            await super().connect()
            await self.join("door.open.lobby")

        async def on_frame(self, kind: str, frame: dict[str, Any]) -> None:
            if kind == "wave":
                self.deliver('{"kind":"waved"}')
            elif kind == "bow":
                raise BadFrame("nobody bows")
            else:
                await super().on_frame(kind, frame)

        async def disconnect(self, code: int) -> None:
            codes.append(code)

    async def main() -> None:
        ann = await opened(consumer=Lobby)
        assert (await ann.next())["topic"] == "door.open.lobby"
        assert await ann.ask("wave") == {"kind": "waved"}
        assert await ann.ask("bow") == {"kind": "error", "reason": "nobody bows"}
        assert await ann.ask("ping") == {"kind": "pong"}
        await ann.hang_up()
        guest = socket(consumer=Lobby)
        await guest.connect()
        assert await guest.closed() == Close.LOGGED_OUT
        await guest.wait(PATIENCE)

    run(main())
    assert codes == [1000, Close.LOGGED_OUT]


def test_a_bug_in_a_subclass_is_heard() -> None:
    """An error that is nobody's input comes out at the server, which logs it."""

    class Buggy(NotificationConsumer):
        async def on_frame(self, kind: str, frame: dict[str, Any]) -> None:
            raise KeyError(kind)

    async def main() -> None:
        ann = await opened(consumer=Buggy)
        await ann.say("ping")
        with pytest.raises(KeyError):
            await ann.wait(PATIENCE)

    run(main())


def test_the_session_engine_of_a_guest_is_not_asked(caplog: pytest.LogCaptureFixture) -> None:
    """A socket without a session in its scope works: authentication may be by something else."""

    async def main() -> None:
        ann = await opened(session=None)
        assert await ann.ask("ping") == {"kind": "pong"}
        await ann.hang_up()

    with caplog.at_level(logging.WARNING):
        run(main())
    assert not caplog.records


def test_ended_while_it_joins() -> None:
    """A socket that ends while Redis confirms its topic is not left behind on the topic."""

    class Caught(NotificationConsumer):
        async def join(self, topic: str) -> None:
            if topic == "door.open.a":
                asyncio.get_running_loop().call_soon(self.end, Close.LOGGED_OUT)
            await super().join(topic)

    async def main() -> None:
        ann = await opened(consumer=Caught)
        await ann.say("subscribe", "door.open.a")
        await ann.wait(PATIENCE)
        assert not await listening("door.open.a")

    run(main())


def test_a_client_that_went_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """A server that raises because the client is gone ends the socket, and nothing is logged."""

    async def main() -> None:
        wire = Wire()

        async def send(message: dict[str, Any]) -> None:
            if "subscribed" not in message.get("text", "subscribed"):
                raise OSError("gone")
            await wire.send(message)

        await wire.incoming.put({"type": "websocket.connect"})
        serving = asyncio.create_task(NotificationConsumer.as_asgi()(socket(user()).scope, wire.incoming.get, send))
        await asyncio.wait_for(wire.is_joined.wait(), PATIENCE)
        await anotify(user(), "x")
        await asyncio.wait_for(serving, PATIENCE)
        assert not await listening("user.7")

    run(main())
    gc.collect()
    assert not caplog.records


@pytest.mark.parametrize(("topic", "times"), [("door.open.a", 1), ("door.asked.yes", 2), ("user.7", 0)])
@pytest.mark.filterwarnings("ignore:coroutine 'AskedTopic.later' was never awaited")
def test_database_connections(topic: str, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the ORM may have been used, old connections are closed: after an async answer, around a sync one."""
    closed: list[int] = []

    async def main() -> None:
        ann = await opened()
        monkeypatch.setattr("channels.db.close_old_connections", lambda: closed.append(1))
        await ann.ask("subscribe", topic)
        await ann.ask("ping")
        assert len(closed) == times
        await ann.hang_up()

    run(main())


def test_one_that_gives_up_does_not_hurt_the_next() -> None:
    """Two sockets wait for the same subscription; the first goes, the second is served."""

    async def main() -> None:
        first, second = socket(user(7)), socket(user(8))
        await asyncio.gather(first.connect(), second.connect())
        first.future.cancel()
        assert (await second.next())["topic"] == "user.8"
        await second.hang_up()

    run(main())
