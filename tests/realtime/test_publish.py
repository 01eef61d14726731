"""Telling users and topics: by the commit rule, in one trip, without a connection of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
import redis
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.test import override_settings
from django.utils.functional import SimpleLazyObject

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.exceptions import RedisUnavailable, SerializationError, UnknownTopic
from django_redis_patterns.realtime import envelope, topics
from django_redis_patterns.realtime.publish import abroadcast, anotify, broadcast, notify
from django_redis_patterns.realtime.topics import Topic, UserTopic
from django_redis_patterns.realtime.transmit import channel_of
from django_redis_patterns.testing.cluster import RedisCluster
from django_redis_patterns.testing.servers import free_port

pytestmark = pytest.mark.django_db(transaction=True)

Heard = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def orders(monkeypatch: pytest.MonkeyPatch) -> type[Topic]:
    monkeypatch.setattr(topics, "_declared", {UserTopic.pattern: UserTopic})

    class OrderTopic(Topic):
        pattern = "orders.{pk:int}"

    return OrderTopic


@pytest.fixture
def heard(one_node: None, bare_redis: redis.Redis) -> Iterator[Heard]:
    """Returns the frames that were published since it was last asked."""
    with bare_redis.pubsub() as pubsub:
        pubsub.psubscribe(channel_of("*").replace("%2A", "*"))
        assert pubsub.get_message(timeout=1)

        def take() -> list[dict[str, Any]]:
            bare_redis.publish(channel_of("end"), "null")
            frames = iter(lambda: json.loads(pubsub.get_message(timeout=5)["data"]), None)
            return list(frames)

        yield take


@pytest.fixture
def away() -> Iterator[None]:
    url = f"redis://127.0.0.1:{free_port()}/0"
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": url}}):
        yield


def test_notify_sends_one_command(heard: Heard) -> None:
    """One PUBLISH, one trip, and the frame that the browser gets."""
    with trace.record() as log:
        notify(User(pk=1), "order.created", {"id": 7})
    assert (log.trips, len(log.commands)) == (1, 1)
    assert log.commands[0].command.startswith("PUBLISH redis_patterns:realtime:{user.1} ")
    assert heard() == [{"kind": "event", "topic": "user.1", "type": "order.created", "data": {"id": 7}}]


def test_notify_opens_no_connection(bare_redis: redis.Redis) -> None:
    """It uses the pooled one: neither sync nor async code makes another."""

    def made() -> int:
        return int(bare_redis.info("stats")["total_connections_received"])

    async def act() -> None:
        await anotify(1, "warm-up")
        before = made()
        for _ in range(5):
            await anotify(1, "x")
        assert made() == before
        await adisconnect()

    notify(1, "warm-up")
    before = made()
    for _ in range(5):
        notify(1, "x")
        with transaction.atomic():
            notify([1, 2], "x")
    assert made() == before
    asyncio.run(act())


def test_several_users_are_one_trip(heard: Heard) -> None:
    """One PUBLISH each, to instances and keys alike, in their order."""
    with trace.record() as log:
        notify([User(pk=1), 2, "3"], "x")
    assert (log.trips, len(log.commands)) == (1, 3)
    assert [frame["topic"] for frame in heard()] == ["user.1", "user.2", "user.3"]


def test_who_is_one_user(heard: Heard) -> None:
    """An instance, the lazy one of a request, a key that is a text; and a generator is several."""
    User.objects.create(pk=5, username="eve")
    for one in (User(pk=1), SimpleLazyObject(lambda: User(pk=2)), "abc", 4):
        notify(one, "x")
    notify(User.objects.all(), "x")
    notify((pk for pk in (6, 7)), "x")
    notify([], "x")
    topics = ["user.1", "user.2", "user.abc", "user.4", "user.5", "user.6", "user.7"]
    assert [frame["topic"] for frame in heard()] == topics
    with pytest.raises(ValueError, match="nobody can be notified"):
        notify([User(pk=1), User()], "x")
    assert heard() == []


def test_who_is_no_user(heard: Heard) -> None:
    """Is an error, though it has a primary key or can be counted through."""
    kind = ContentType(pk=7)
    for nobody in (kind, [1, kind], User, User.objects, b"7", [b"7"], bytearray(b"7")):
        with pytest.raises(TypeError, match="pass a user, a primary key"):
            notify(nobody, "x")
    assert heard() == []


def test_a_queryset_in_async_code(heard: Heard) -> None:
    """Is iterated as async code must; so is any async iterable."""
    User.objects.create(pk=5, username="eve")

    async def each() -> AsyncIterator[int]:
        yield 6

    async def act() -> None:
        await anotify(User.objects.all(), "x")
        await anotify(each(), "x")
        await adisconnect()

    asyncio.run(act())
    assert [frame["topic"] for frame in heard()] == ["user.5", "user.6"]


def test_a_commit_is_one_trip(heard: Heard, orders: type[Topic]) -> None:
    """After it, all in the order in which they were said; two equal messages are two."""
    with trace.record() as log:
        with transaction.atomic():
            notify([1, 2], "first")
            broadcast("orders.7", "second")
            with transaction.atomic():
                orders(pk=8).publish("third")
            notify(1, "fourth")
            notify(1, "fourth")
            assert log.trips == 0
        assert (log.trips, len(log.commands)) == (1, 6)
    said = [("user.1", "first"), ("user.2", "first"), ("orders.7", "second"), ("orders.8", "third")]
    assert [(frame["topic"], frame["type"]) for frame in heard()] == [*said, ("user.1", "fourth"), ("user.1", "fourth")]


def test_a_rollback_says_nothing(heard: Heard) -> None:
    """Also that of a savepoint, which takes only its own with it."""

    class Undo(Exception):
        pass

    def undone() -> None:
        with transaction.atomic():
            notify(1, "undone")
            broadcast("orders.7", "undone")
            raise Undo

    with trace.record() as log, pytest.raises(Undo):
        undone()
    assert log.trips == 0
    with transaction.atomic():
        notify(1, "kept")
        with pytest.raises(Undo):
            undone()
    assert [frame["type"] for frame in heard()] == ["kept"]


def test_now_does_not_wait(heard: Heard, orders: type[Topic]) -> None:
    """For those to whom the commit does not matter."""
    with transaction.atomic():
        notify([1, 2], "x", now=True)
        broadcast("orders.7", "x", now=True)
        orders(pk=8).publish("x", now=True)
        assert [frame["topic"] for frame in heard()] == ["user.1", "user.2", "orders.7", "orders.8"]


def test_async_acts_at_once(heard: Heard, orders: type[Topic]) -> None:
    """One trip each."""

    async def act() -> None:
        await anotify([1, 2], "x", {"n": 1})
        await abroadcast("orders.7", "x")
        await orders(pk=8).apublish("x")
        await adisconnect()

    with trace.record() as log:
        asyncio.run(act())
    assert (log.trips, len(log.commands)) == (3, 4)
    assert [frame["topic"] for frame in heard()] == ["user.1", "user.2", "orders.7", "orders.8"]


def test_after_a_commit_redis_may_be_away(away: None) -> None:
    """It is counted, and no error of the request that committed."""
    failed = trace.counters().get("commit.failed", 0)
    with transaction.atomic():
        User.objects.create(username="ann")
        notify(1, "x")
    notify(1, "x")
    assert User.objects.count() == 1
    assert trace.counters()["commit.failed"] == failed + 2


def test_now_redis_must_be_there(away: None, orders: type[Topic]) -> None:
    """As it must for async code: `RedisUnavailable`."""
    with pytest.raises(RedisUnavailable):
        notify(1, "x", now=True)
    with pytest.raises(RedisUnavailable):
        orders(pk=7).publish("x", now=True)
    for said in (lambda: anotify(1, "x"), lambda: abroadcast("orders.7", "x"), lambda: orders(pk=7).apublish("x")):

        async def act(said: Callable[[], Any] = said) -> None:
            with pytest.raises(RedisUnavailable):
                await said()
            await adisconnect()

        asyncio.run(act())


def test_an_undeclared_topic_is_an_error() -> None:
    """At the call, in a transaction too."""
    with trace.record() as log, transaction.atomic():
        with pytest.raises(UnknownTopic):
            broadcast("order.7", "x")
        with pytest.raises(UnknownTopic):
            asyncio.run(abroadcast("orders.seven", "x"))
    assert log.trips == 0


@pytest.mark.parametrize("data", [object(), {"a": {1}}, float("nan"), [float("inf")], {(1, 2): 3}, b"x", "\ud800"])
def test_data_that_is_no_json_is_an_error(data: Any) -> None:
    """At the call, not after the commit; so is what is too large, and an event without a type."""
    with transaction.atomic():
        with pytest.raises(SerializationError):
            notify(1, "x", data)
        with pytest.raises(SerializationError, match="limit of 65536"):
            notify(1, "x", "x" * envelope.LARGEST)
        with pytest.raises(ValueError, match="needs a type"):
            notify(1, "")


def test_what_data_becomes(heard: Heard) -> None:
    """Dates and decimals become text, other scripts stay as they are, and the caller's object may change later."""
    data = {"day": date(2026, 11, 23), "price": Decimal("9.90"), "name": "Zoë 🎉"}
    with transaction.atomic():
        notify(1, "x", data)
        data.clear()
    assert heard()[0]["data"] == {"day": "2026-11-23", "price": "9.90", "name": "Zoë 🎉"}
    recursive: list[Any] = []
    recursive.append(recursive)
    with pytest.raises(SerializationError):
        notify(1, "x", recursive)


def test_the_database_that_is_waited_for(heard: Heard) -> None:
    """Can be named."""
    with mock.patch("django_redis_patterns.realtime.transmit.after_commit_together") as after:
        notify(1, "x", using="other")
        broadcast("orders.7", "x", using="other")
    assert [call.args[0] for call in after.call_args_list] == ["other", "other"]


def test_another_connection(redis_server: Any, heard: Heard) -> None:
    """Is a setting of the room."""
    two = {"default": f"redis://127.0.0.1:{free_port()}/0", "live": redis_server.url}
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": two, "REALTIME": {"CONNECTION": "live"}}):
        notify(1, "x", now=True)
    assert len(heard()) == 1


@pytest.mark.cluster
def test_on_a_cluster() -> None:
    """Alone and together, sync and async."""

    async def act() -> None:
        await anotify(1, "x")
        await anotify([1, 2], "x")
        await adisconnect()

    with RedisCluster() as cluster, redis.Redis(port=cluster.nodes[-1].port, protocol=2) as node:
        pubsub = node.pubsub(ignore_subscribe_messages=True)
        pubsub.psubscribe("*realtime*")
        pubsub.get_message(timeout=1)
        with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": {"CLUSTER": cluster.urls}}}):
            notify(1, "x", now=True)
            with transaction.atomic():
                notify([1, 2, 3], "x")
            asyncio.run(act())
        got = [json.loads(pubsub.get_message(timeout=5)["data"])["topic"] for _ in range(7)]
        assert sorted(got) == sorted(["user.1", "user.1", "user.2", "user.3", "user.1", "user.1", "user.2"])
        pubsub.close()
