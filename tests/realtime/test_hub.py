"""The hub: one subscription per topic for all the sockets of a loop."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import redis
from django.test import override_settings

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.exceptions import RedisUnavailable
from django_redis_patterns.realtime.hub import Hub, get_hub
from django_redis_patterns.realtime.publish import anotify
from django_redis_patterns.realtime.transmit import channel_of
from django_redis_patterns.testing.servers import RedisServer, free_port


class Socket:
    """A receiver that remembers."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.resets: list[str] = []

    def deliver(self, text: str) -> None:
        self.texts.append(text)

    def reset(self, topic: str) -> None:
        self.resets.append(topic)


class Broken(Socket):
    def deliver(self, text: str) -> None:
        raise ValueError("broken socket")

    def reset(self, topic: str) -> None:
        raise ValueError("broken socket")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of this test's own, as the default connection."""
    with (
        RedisServer() as server,
        override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": server.url}}),
    ):
        yield server


@pytest.fixture
def admin(server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url, protocol=2) as admin:
        yield admin


def run(body: Callable[[Hub], Coroutine[Any, Any, None]]) -> None:
    async def act() -> None:
        await body(await get_hub())
        await adisconnect()

    asyncio.run(act())


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def say(admin: redis.Redis, topic: str, text: str | bytes = "x") -> int:
    return int(admin.publish(channel_of(topic), text))


def calls(admin: redis.Redis, command: str) -> int:
    return int(admin.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))


def test_one_subscription_for_all(admin: redis.Redis) -> None:
    """A hundred sockets on a topic are one SUBSCRIBE, and all are given one and the same text."""
    sockets = [Socket() for _ in range(100)]

    async def body(hub: Hub) -> None:
        await asyncio.gather(*(hub.join("news", socket) for socket in sockets))
        assert say(admin, "news", "Zoë 🎉") == 1
        await until(lambda: all(socket.texts for socket in sockets))
        assert calls(admin, "subscribe") == 1
        assert admin.info("stats")["total_connections_received"] == 2  # this test's and ours

    run(body)
    assert {socket.texts[0] for socket in sockets} == {"Zoë 🎉"}
    assert len({id(socket.texts[0]) for socket in sockets}) == 1


def test_notify_arrives(admin: redis.Redis) -> None:
    """What is published is what is delivered."""
    socket = Socket()

    async def body(hub: Hub) -> None:
        await hub.join("user.1", socket)
        await anotify(1, "x", {"n": 1})
        await until(lambda: socket.texts)

    run(body)
    assert socket.texts == ['{"kind":"event","topic":"user.1","type":"x","data":{"n":1}}']


def test_who_leaves_hears_nothing(admin: redis.Redis) -> None:
    """The others do; leaving twice, or without having joined, is no error; coming back is free."""
    one, two = Socket(), Socket()

    async def body(hub: Hub) -> None:
        for socket in (one, two, one):
            await hub.join("news", socket)
        hub.leave("news", one)
        hub.leave("news", one)
        hub.leave("other", one)
        say(admin, "news", "1")
        await until(lambda: two.texts)
        hub.leave("news", two)
        await hub.join("news", one)
        say(admin, "news", "2")
        await until(lambda: one.texts)
        assert calls(admin, "subscribe") == 1

    run(body)
    assert (one.texts, two.texts) == (["2"], ["1"])


def test_to_join_twice_is_to_join(admin: redis.Redis) -> None:
    """One text each, and one leave is enough."""
    socket, other = Socket(), Socket()

    async def body(hub: Hub) -> None:
        await asyncio.gather(hub.join("news", socket), hub.join("news", socket), hub.join("news", other))
        say(admin, "news", "1")
        await until(lambda: socket.texts and other.texts)
        hub.leave("news", socket)
        say(admin, "news", "2")
        await until(lambda: len(other.texts) == 2)
        hub.leave("news", other)
        gc.collect()
        assert not hub._crowds

    run(body)
    assert socket.texts == ["1"]


def test_who_joins_while_the_last_leaves(admin: redis.Redis) -> None:
    """Is not forgotten with it."""
    one, two = Socket(), Socket()

    async def body(hub: Hub) -> None:
        await hub.join("news", one)
        joining = asyncio.create_task(hub.join("news", two))
        await asyncio.sleep(0)
        hub.leave("news", one)
        gc.collect()
        await joining
        say(admin, "news", "1")
        await until(lambda: two.texts)
        hub.leave("news", two)
        gc.collect()
        say(admin, "news", "2")
        await hub.join("end", one)
        say(admin, "end", "end")
        await until(lambda: one.texts)

    run(body)
    assert (one.texts, two.texts) == (["end"], ["1"])


def test_a_loss_is_a_reset_for_each(admin: redis.Redis) -> None:
    """Once per topic and receiver; then messages go on."""
    sockets = [Socket() for _ in range(3)]

    async def body(hub: Hub) -> None:
        for socket in sockets:
            await hub.join("news", socket)
        await hub.join("more", sockets[0])
        admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await until(lambda: all(socket.resets for socket in sockets) and len(sockets[0].resets) == 2)
        say(admin, "news", "1")
        await until(lambda: all(socket.texts for socket in sockets))

    run(body)
    assert [sorted(socket.resets) for socket in sockets] == [["more", "news"], ["news"], ["news"]]


def test_a_restart(server: RedisServer) -> None:
    """All are told, and get the next message; who joins meanwhile may wait for it."""
    sockets, late = [Socket() for _ in range(100)], Socket()

    async def body(hub: Hub) -> None:
        for number, socket in enumerate(sockets):
            await hub.join(f"news.{number % 10}", socket)
        await asyncio.to_thread(server.kill)
        joining = asyncio.create_task(hub.join("late", late, wait=None))
        await asyncio.to_thread(server.restart)
        await joining
        await until(lambda: all(socket.resets for socket in sockets))
        with redis.Redis.from_url(server.url, protocol=2) as admin:
            for topic in [f"news.{number}" for number in range(10)] + ["late"]:
                assert say(admin, topic) == 1
        await until(lambda: all(socket.texts for socket in [*sockets, late]))

    run(body)
    assert all(len(socket.resets) == len(socket.texts) == 1 for socket in sockets)
    assert late.resets == []


def test_a_broken_receiver_hurts_nobody(admin: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged and counted."""
    socket, failed = Socket(), trace.counters().get("realtime.receiver_failed", 0)

    async def body(hub: Hub) -> None:
        await hub.join("news", Broken())
        await hub.join("news", socket)
        say(admin, "news", "1")
        await until(lambda: socket.texts)
        admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await until(lambda: socket.resets)

    run(body)
    assert trace.counters()["realtime.receiver_failed"] == failed + 2
    assert "broken socket" in caplog.text


def test_a_receiver_may_leave_when_it_is_called(admin: redis.Redis) -> None:
    """While the message is being passed on."""

    class Shy(Socket):
        def deliver(self, text: str) -> None:
            super().deliver(text)
            hubs[0].leave("news", self)

    hubs: list[Hub] = []
    sockets = [Shy() for _ in range(3)]

    async def body(hub: Hub) -> None:
        hubs.append(hub)
        for socket in sockets:
            await hub.join("news", socket)
        say(admin, "news", "1")
        say(admin, "news", "2")
        await until(lambda: all(socket.texts for socket in sockets))

    run(body)
    assert [socket.texts for socket in sockets] == [["1"]] * 3


def test_what_is_no_text_is_dropped(admin: redis.Redis) -> None:
    """Whoever published it; and counted."""
    socket, dropped = Socket(), trace.counters().get("realtime.undecodable", 0)

    async def body(hub: Hub) -> None:
        await hub.join("news", socket)
        say(admin, "news", b"\xff")
        say(admin, "news", "1")
        await until(lambda: socket.texts)

    run(body)
    assert socket.texts == ["1"]
    assert trace.counters()["realtime.undecodable"] == dropped + 1


def test_redis_is_away() -> None:
    """Joining raises within its wait, and leaves nothing behind."""
    url = f"redis://127.0.0.1:{free_port()}/0"

    async def body(hub: Hub) -> None:
        with pytest.raises(RedisUnavailable):
            await hub.join("news", Socket(), wait=0.1)
        await asyncio.sleep(0)
        gc.collect()
        assert not hub._crowds

    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": url}}):
        run(body)


def test_each_loop_has_a_hub(admin: redis.Redis) -> None:
    """Which goes with it."""
    hubs = []
    for _ in range(2):
        socket = Socket()

        async def body(hub: Hub, socket: Socket = socket) -> None:
            assert await get_hub() is hub
            hubs.append(id(hub))
            await hub.join("news", socket)
            say(admin, "news", "1")
            await until(lambda: socket.texts)

        run(body)
        assert socket.texts == ["1"]


def test_after_new_settings_it_listens_there(admin: redis.Redis, redis_server: RedisServer) -> None:
    """Who joined before hears nothing more; who joins again does."""
    old, new = Socket(), Socket()

    async def body(hub: Hub) -> None:
        await hub.join("news", old)
        with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": redis_server.url}}):
            await hub.join("news", new)
            await anotify(1, "x")
            with redis.Redis.from_url(redis_server.url, protocol=2) as there:
                assert say(there, "news", "1") == 1
            await until(lambda: new.texts)
            await adisconnect()

    run(body)
    assert new.texts == ["1"]


def test_other_text_is_passed_on_as_it_is(admin: redis.Redis) -> None:
    """Fields that a later version adds, too: the hub does not read them."""
    socket, text = Socket(), '{"kind":"event","topic":"news","type":"x","data":null,"epoch":"e","offset":3,"new":1}'

    async def body(hub: Hub) -> None:
        await hub.join("news", socket)
        say(admin, "news", text)
        await until(lambda: socket.texts)

    run(body)
    assert socket.texts == [text]
