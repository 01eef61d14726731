"""The subscriber, on an event loop and in its thread alike."""

import asyncio

import pytest
import redis
from asgiref.sync import async_to_sync

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.core.subscriber import asubscriber, asynchronous, subscriber
from django_redis_patterns.exceptions import InvalidConfiguration
from tests.core.desks import Desk, Ear, calls, cut, listening, until


class Bad(Ear):
    def message(self, channel: str, payload: bytes) -> None:
        raise ValueError("bad listener")

    def gap(self, channel: str) -> None:
        raise ValueError("bad listener")


def test_is_confirmed_when_it_returns(desk: Desk, admin: redis.Redis) -> None:
    """Whatever is published after the return arrives."""
    ear = Ear()
    desk.subscribe("news", ear)
    assert admin.publish("news", b"\xff\r\n$") == 1
    until(lambda: ear.heard)
    assert ear.heard == [b"\xff\r\n$"]


def test_nothing_is_lost_and_order_is_kept(desk: Desk, admin: redis.Redis) -> None:
    """While connected, small and large messages arrive once each, as they were published."""
    ear, sent = Ear(), [b"%d " % i + b"x" * (i % 7 * 20_000) for i in range(300)]
    desk.subscribe("news", ear)
    for start in range(0, 300, 100):
        with admin.pipeline(transaction=False) as pipeline:
            for payload in sent[start : start + 100]:
                pipeline.publish("news", payload)
            pipeline.execute()
    until(lambda: len(ear.heard) >= 300)
    assert ear.heard == sent
    assert ear.gaps == 0


def test_a_channel_is_subscribed_once(desk: Desk, admin: redis.Redis) -> None:
    """Two listeners share a channel; each leaves by itself."""
    one, two = Ear(), Ear()
    first = desk.subscribe("news", one)
    desk.subscribe("news", two)
    assert calls(admin)["subscribe"] == 1
    admin.publish("news", "both")
    until(lambda: one.heard and two.heard)
    desk.close(first)
    desk.close(first)
    admin.publish("news", "two")
    until(lambda: len(two.heard) == 2)
    assert one.heard == [b"both"]


def test_one_listener_hears_a_message_once(desk: Desk, admin: redis.Redis) -> None:
    """However often it subscribed; and until it has closed each."""
    ear = Ear()
    first, second = desk.subscribe("news", ear), desk.subscribe("news", ear)
    desk.close(first)
    admin.publish("news", "1")
    until(lambda: ear.heard)
    desk.close(second)
    desk.subscribe("other", other := Ear())
    admin.publish("news", "2")
    admin.publish("other", "3")
    until(lambda: other.heard)
    assert ear.heard == [b"1"]


def test_a_listener_that_raises_hurts_nobody(desk: Desk, admin: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged and counted; the others hear message and gap, also on other channels."""
    ear = Ear()
    desk.subscribe("news", Bad())
    desk.subscribe("news", ear)
    failed = trace.counters().get("subscriber.listener_failed", 0)
    admin.publish("news", "1")
    until(lambda: ear.heard)
    cut(admin)
    until(lambda: ear.gaps)
    assert trace.counters()["subscriber.listener_failed"] == failed + 2
    assert "bad listener" in caplog.text


def test_leaving_lingers(desk: Desk, admin: redis.Redis) -> None:
    """Who comes back within seconds costs no command."""
    desk.subscribe("other", Ear())
    desk.close(desk.subscribe("news", Ear()))
    desk.subscribe("news", ear := Ear())
    assert calls(admin)["subscribe"] == 2
    assert "unsubscribe" not in calls(admin)
    admin.publish("news", "1")
    until(lambda: ear.heard)


def test_left_channels_are_unsubscribed(hasty: None, desk: Desk, admin: redis.Redis) -> None:
    """In the end; and can be subscribed again."""
    desk.subscribe("other", Ear())
    desk.close(desk.subscribe("news", Ear()))
    until(lambda: listening(admin, "news") == 0)
    assert calls(admin)["unsubscribe"] == 1
    desk.subscribe("news", ear := Ear())
    admin.publish("news", "1")
    until(lambda: ear.heard)
    assert ear.gaps == 0


def test_idle_it_sends_nothing_but_pings(hasty: None, desk: Desk, admin: redis.Redis) -> None:
    """Which keep the link, so nobody hears of a gap."""
    ear = Ear()
    desk.subscribe("news", ear)
    before = calls(admin)
    until(lambda: calls(admin).get("ping", 0) >= 3)
    after = calls(admin)
    assert {name for name in after if after[name] != before.get(name)} <= {"ping", "info"}
    assert ear.gaps == 0
    assert admin.info("stats")["total_connections_received"] == 2  # this test's and ours


def test_subscribes_of_one_moment_are_one_command(admin: redis.Redis) -> None:
    """Of one round of the event loop."""

    async def act() -> None:
        mine = await asubscriber()
        await mine.subscribe("first", Ear())
        await asyncio.gather(*(mine.subscribe(f"news{i}", Ear()) for i in range(500)))
        assert calls(admin)["subscribe"] == 2
        await adisconnect()

    asyncio.run(act())


def test_a_burst_lets_others_have_their_turn(admin: redis.Redis) -> None:
    """Or a consumer could not pass on what fills its outbox."""
    ear, most = Ear(), 0

    async def act() -> None:
        nonlocal most
        await (await asubscriber()).subscribe("news", ear)
        with admin.pipeline(transaction=False) as pipeline:
            for number in range(200):
                pipeline.publish("news", number)
            pipeline.execute()
        passed_on = 0
        while passed_on < 200:
            await asyncio.sleep(0)
            most, passed_on = max(most, len(ear.heard) - passed_on), len(ear.heard)
        await adisconnect()

    asyncio.run(act())
    assert most <= asynchronous.BREATHE_EVERY


def test_what_cannot_be_subscribed(desk: Desk, admin: redis.Redis) -> None:
    """Is the error of who tries, and nothing to the others."""

    class Unhashable(Ear):
        __hash__ = None  # type: ignore[assignment]

    desk.subscribe("news", ear := Ear())
    with pytest.raises(UnicodeEncodeError):
        desk.subscribe("\ud800", Ear())
    with pytest.raises(TypeError):
        desk.subscribe("news", Unhashable())
    admin.publish("news", "1")
    until(lambda: ear.heard)
    assert ear.gaps == 0


def test_an_alias_nobody_configured(desk: Desk) -> None:
    """Is an error where it is named."""
    with pytest.raises(InvalidConfiguration):
        subscriber("nowhere")
    with pytest.raises(InvalidConfiguration):
        async_to_sync(asubscriber)("nowhere")
