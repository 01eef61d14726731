"""The subscriber when the link breaks, freezes, or is refused."""

import asyncio
import logging
import threading
import time

import pytest
import redis

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect, client
from django_redis_patterns.core.subscriber import Subscription, asubscriber, asynchronous, threaded
from django_redis_patterns.exceptions import RedisDenied, RedisUnavailable
from django_redis_patterns.testing.cluster import RedisCluster
from django_redis_patterns.testing.servers import RedisServer
from tests.core.desks import Desk, Ear, calls, connected, cut, until


def test_a_cut_link_is_told_once(desk: Desk, admin: redis.Redis) -> None:
    """Each loss is one gap for each listener that was there; then all goes on."""
    ears = [Ear() for _ in range(3)]
    for i, ear in enumerate(ears):
        desk.subscribe(f"news{i % 2}", ear)
    for loss in (1, 2):
        cut(admin)
        until(lambda loss=loss: all(ear.gaps >= loss for ear in ears))
        assert [ear.gaps for ear in ears] == [loss] * 3
    for i in range(3):
        admin.publish(f"news{i}", i)
    until(lambda: all(ear.heard for ear in ears))
    assert [ear.heard for ear in ears] == [[b"0"], [b"1"], [b"0"]]
    desk.subscribe("news0", late := Ear())
    assert late.gaps == 0


def test_a_restarted_server(desk: Desk, server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Is found again; who came while it was away hears of no gap; the outage is one line in the log."""
    ear, late = Ear(), Ear()
    desk.subscribe("news", ear)
    lost = trace.counters().get("subscriber.lost", 0)
    server.kill()
    until(lambda: trace.counters().get("subscriber.lost", 0) > lost)
    with pytest.raises(RedisUnavailable):
        desk.subscribe("news", Ear(), wait=0.3)
    waiting = threading.Thread(target=lambda: desk.subscribe("late", late, wait=None))
    waiting.start()
    server.restart()
    waiting.join()
    until(lambda: ear.gaps)
    with redis.Redis.from_url(server.url, protocol=2) as admin:
        admin.publish("news", "1")
        admin.publish("late", "2")
    until(lambda: ear.heard and late.heard)
    assert (ear.gaps, late.gaps) == (1, 0)
    assert [record.levelno for record in caplog.records].count(logging.WARNING) == 1


def test_a_frozen_server_is_noticed(hasty: None, desk: Desk, server: RedisServer, admin: redis.Redis) -> None:
    """By its silence, even on a PING."""
    ear, lost = Ear(), trace.counters().get("subscriber.lost", 0)
    desk.subscribe("news", ear)
    server.pause()
    until(lambda: trace.counters().get("subscriber.lost", 0) == lost + 1)
    server.resume()
    until(lambda: ear.gaps)
    admin.publish("news", "1")
    until(lambda: ear.heard)
    assert (ear.heard, ear.gaps) == ([b"1"], 1)


def test_whoever_was_held_up_does_not_blame_the_link(hasty: None, admin: redis.Redis) -> None:
    """A loop that was blocked for longer than silence may last counts one tick, not the clock."""
    ear = Ear()

    async def act() -> None:
        await (await asubscriber()).subscribe("news", ear)
        for _ in range(3):
            await asyncio.sleep(0.06)
            time.sleep(0.5)  # noqa: ASYNC251
        await adisconnect()

    asyncio.run(act())
    assert ear.gaps == 0


def test_a_wrong_password_is_loud(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """To each who subscribes, at once; and it does not go on trying for nobody."""
    with RedisServer(options=["--requirepass", "hunter2"]) as server, connected(URL=server.url, PASSWORD="no"):
        for _ in range(2):
            with pytest.raises(RedisDenied):
                desk.subscribe("news", Ear(), wait=None)
        until(lambda: not desk.is_working())
        with connected(URL=server.url), pytest.raises(RedisDenied):
            desk.subscribe("news", Ear(), wait=None)


def test_a_password_that_changes_is_logged_once(
    desk: Desk, admin: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it is refused; when it is right again, all goes on."""
    ear = Ear()
    desk.subscribe("news", ear)
    admin.config_set("requirepass", "hunter2")
    refused = lambda: admin.info("errorstats").get("errorstat_NOAUTH", {}).get("count", 0)  # noqa: E731
    admin.execute_command("AUTH", "hunter2")
    cut(admin)
    until(lambda: refused() >= 3)
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1
    admin.config_set("requirepass", "")
    until(lambda: ear.gaps)


def test_permission_is_by_channel(hasty: None, server: RedisServer, admin: redis.Redis) -> None:
    """Of two that subscribe in one command, only the one that may not is refused; and again when it asks again.

    What was refused does not keep the link.
    """
    admin.execute_command("ACL", "SETUSER", "ann", "on", ">pw", "resetchannels", "&news:*", "+@all")
    ear = Ear()

    async def act() -> None:
        mine = await asubscriber()
        good, bad = await asyncio.gather(
            mine.subscribe("news:1", ear), mine.subscribe("secret", Ear()), return_exceptions=True
        )
        assert isinstance(good, Subscription)
        assert isinstance(bad, RedisDenied)
        with pytest.raises(RedisDenied):
            await mine.subscribe("secret", Ear())
        good.close()
        await asyncio.to_thread(until, lambda: mine._task is None or mine._task.done())
        await adisconnect()

    with connected(HOST="127.0.0.1", PORT=server.port, USERNAME="ann", PASSWORD="pw"):
        asyncio.run(act())


def test_permission_that_is_taken_away(desk: Desk, server: RedisServer, admin: redis.Redis) -> None:
    """Is an error in the log; when it is given back, the next to ask brings it back for all."""
    admin.execute_command("ACL", "SETUSER", "ann", "on", ">pw", "resetchannels", "&news", "&other", "+@all")
    with connected(HOST="127.0.0.1", PORT=server.port, USERNAME="ann", PASSWORD="pw"):
        ear, other = Ear(), Ear()
        desk.subscribe("news", ear)
        desk.subscribe("other", other)
        admin.execute_command("ACL", "SETUSER", "ann", "resetchannels", "&other")  # Redis cuts who listens to more
        until(lambda: other.gaps)
        with pytest.raises(RedisDenied):
            desk.subscribe("news", Ear())
        admin.execute_command("ACL", "SETUSER", "ann", "&news")
        desk.subscribe("news", Ear())
        assert ear.gaps == 1


def test_wait_is_kept(desk: Desk, server: RedisServer) -> None:
    """Without a server, `RedisUnavailable`; and it does not go on trying for nobody."""
    server.kill()
    with pytest.raises(RedisUnavailable) as caught:
        desk.subscribe("news", Ear(), wait=0.2)
    assert caught.value.alias == "default"
    until(lambda: not desk.is_working())


def test_a_thousand_channels(admin: redis.Redis) -> None:
    """Come back in two commands, each told once."""
    ears = [Ear() for _ in range(1000)]

    async def act() -> None:
        mine = await asubscriber()
        await asyncio.gather(*(mine.subscribe(f"news{i}", ear) for i, ear in enumerate(ears)))
        before = calls(admin)["subscribe"]
        cut(admin)
        await asyncio.to_thread(until, lambda: all(ear.gaps for ear in ears))
        assert calls(admin)["subscribe"] == before + 2
        for i in range(1000):
            admin.publish(f"news{i}", i)
        await asyncio.to_thread(until, lambda: all(ear.heard for ear in ears))
        await adisconnect()

    asyncio.run(act())
    assert [ear.gaps for ear in ears] == [1] * 1000
    assert [ear.heard for ear in ears] == [[b"%d" % i] for i in range(1000)]


def test_who_waits_while_it_is_dropped_is_told(desk: Desk, server: RedisServer) -> None:
    """Instead of waiting for ever."""
    server.kill()
    told: list[Exception] = []

    def act() -> None:
        try:
            desk.subscribe("news", Ear(), wait=None)
        except Exception as error:
            told.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    until(desk.is_working)
    threaded._reset()
    asynchronous._reset()
    thread.join(10)
    assert [type(error) for error in told] == [RedisUnavailable]


@pytest.mark.cluster
def test_on_a_cluster(desk: Desk) -> None:
    """One link to any node hears what is published anywhere; when the node dies, another is found."""
    with RedisCluster() as cluster, connected(CLUSTER=cluster.urls):
        ear = Ear()
        desk.subscribe("news", ear)
        for node in cluster.nodes:
            with redis.Redis.from_url(node.url, protocol=2) as admin:
                admin.publish("news", node.port)
        client().publish("news", "cluster")
        until(lambda: len(ear.heard) == 7)
        assert sorted(ear.heard) == sorted([*(b"%d" % node.port for node in cluster.nodes), b"cluster"])
        cluster.nodes[0].kill()
        until(lambda: ear.gaps)
        with redis.Redis.from_url(cluster.nodes[1].url, protocol=2) as admin:
            admin.publish("news", "after")
        until(lambda: b"after" in ear.heard)
