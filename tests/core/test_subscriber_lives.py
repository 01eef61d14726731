"""The subscriber's life: threads, loops that end, forks, new settings."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar

import pytest
import redis
from django.core.exceptions import SynchronousOnlyOperation

from django_redis_patterns.core import connections
from django_redis_patterns.core.connections import adisconnect, client
from django_redis_patterns.core.subscriber import asubscriber, asynchronous, subscriber, threaded
from django_redis_patterns.testing.servers import RedisServer
from tests.core.desks import Desk, Ear, Loop, Thread, calls, connected, listening, until

request: ContextVar[str | None] = ContextVar("request")


def test_ends_when_nobody_listens(hasty: None, desk: Desk, admin: redis.Redis) -> None:
    """The connection closes, and the next to subscribe opens another."""
    desk.close(desk.subscribe("news", Ear()))
    until(lambda: not desk.is_working())
    until(lambda: admin.info("clients")["connected_clients"] == 1)
    desk.subscribe("news", ear := Ear())
    admin.publish("news", "1")
    until(lambda: ear.heard)


def test_listeners_are_not_in_the_context_of_who_came_first(desk: Desk, admin: redis.Redis) -> None:
    """Which is one request's."""
    seen: list[str | None] = []

    class Curious(Ear):
        def message(self, channel: str, payload: bytes) -> None:
            seen.append(request.get(None))

    token = request.set("the first")
    desk.subscribe("news", Curious())
    request.reset(token)
    admin.publish("news", "1")
    until(lambda: seen)
    assert seen == [None]


def test_many_threads_share_one_link(admin: redis.Redis) -> None:
    """Each of fifty hears its own."""
    ears = [Ear() for _ in range(50)]
    threads = [threading.Thread(target=subscriber().subscribe, args=(f"news{i}", ear)) for i, ear in enumerate(ears)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(50):
        assert admin.publish(f"news{i}", i) == 1
    until(lambda: all(ear.heard for ear in ears))
    assert [ear.heard for ear in ears] == [[b"%d" % i] for i in range(50)]
    threaded._reset()


def test_whoever_subscribes_wakes_the_thread(monkeypatch: pytest.MonkeyPatch, admin: redis.Redis) -> None:
    """It does not wait for the next tick."""
    monkeypatch.setattr(threaded, "TICK", 3600)
    for channel in ("first", "second"):
        subscriber().subscribe(channel, Ear())
    assert listening(admin, "second") == 1
    threaded._reset()


def test_many_loops(admin: redis.Redis) -> None:
    """Each has a subscriber of its own; the end of one is nothing to the other."""
    one, two = Loop(), Loop()
    try:
        ears = [Ear(), Ear()]
        one.subscribe("news", ears[0])
        two.subscribe("news", ears[1])
        assert admin.publish("news", "both") == 2
        until(lambda: all(ear.heard for ear in ears))
        one.end()
        until(lambda: listening(admin, "news") == 1)
        admin.publish("news", "two")
        until(lambda: len(ears[1].heard) == 2)
        assert ears[1].gaps == 0
    finally:
        two.end()


def test_who_gives_up_leaves_nothing(hasty: None, admin: redis.Redis) -> None:
    """A cancelled subscription is closed."""

    async def act() -> None:
        mine = await asubscriber()
        await mine.subscribe("other", Ear())
        task = asyncio.create_task(mine.subscribe("news", Ear()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.to_thread(until, lambda: calls(admin).get("unsubscribe") == 1)
        assert listening(admin, "news") == 0
        await adisconnect()

    asyncio.run(act())


def test_new_settings_drop_it(desk: Desk, admin: redis.Redis, redis_server: RedisServer) -> None:
    """Who subscribes afterwards listens at the new place, and the old link closes."""
    old = Ear()
    desk.subscribe("news", old)
    with connected(URL=redis_server.url):
        until(lambda: listening(admin, "news") == 0)
        desk.subscribe("news", new := Ear())
        client().publish("news", "1")
        until(lambda: new.heard)
    assert (old.heard, old.gaps) == ([], 0)


def test_the_thread_does_not_block_a_loop_or_itself(admin: redis.Redis) -> None:
    """Waiting in the wrong place is an error that says so."""
    errors: list[Exception] = []

    class Eager(Ear):
        def message(self, channel: str, payload: bytes) -> None:
            try:
                subscriber().subscribe("more", self)
            except RuntimeError as error:
                errors.append(error)

    async def act() -> None:
        with pytest.raises(SynchronousOnlyOperation):
            subscriber().subscribe("news", Ear())

    asyncio.run(act())
    subscriber().subscribe("news", Eager())
    admin.publish("news", "1")
    until(lambda: errors)
    threaded._reset()


def in_a_child(body: Callable[[], None]) -> bool:
    """Return whether *body* went well in a forked process."""
    pid = os.fork()
    if pid == 0:
        try:
            body()
            gc.collect()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_starts_with_none(desk: Desk, admin: redis.Redis, server: RedisServer) -> None:
    """It can subscribe anew, closes what it inherited without harm, and leaves the parent's link alone."""
    ear = Ear()
    mine, subscription = subscriber(), desk.subscribe("news", ear)

    def child() -> None:
        assert mine._thread is None
        assert not asynchronous._by_loop
        if isinstance(desk, Thread):
            subscription.close()
        for own in (Thread(), Loop()):
            own.subscribe("child", heard := Ear())
            with redis.Redis.from_url(server.url, protocol=2) as again:
                again.publish("child", "1")
            until(lambda heard=heard: heard.heard)
        connections.reset()

    assert in_a_child(child)
    admin.publish("news", "1")
    until(lambda: ear.heard)
    assert ear.gaps == 0


LOOPS = """
import asyncio, gc, json, os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
from django.conf import settings
settings.REDIS_PATTERNS["CONNECTIONS"]["default"] = json.loads(os.environ["TEST_REDIS_CONNECTION"])
from django_redis_patterns.core.subscriber import asubscriber

class Ear:
    def message(self, channel, payload): pass
    def gap(self, channel): pass

async def subscribe():
    await (await asubscriber()).subscribe("news", Ear())

async def give_up():
    mine = await asubscriber()
    asyncio.create_task(mine.subscribe("other", Ear())).cancel()

def closed(*steps):
    loop = asyncio.new_event_loop()
    for step in steps:
        loop.run_until_complete(step())
    loop.close()

asyncio.run(subscribe())
closed(subscribe)
gc.collect()
closed(subscribe, give_up)
pid = os.fork()
if not pid:
    closed(subscribe)
    gc.collect()
    raise SystemExit
os.waitpid(pid, 0)
asyncio.run(subscribe())
closed(subscribe)
"""


def test_loops_that_end_leave_nothing(redis_server: RedisServer, bare_redis: redis.Redis) -> None:
    """Neither sockets nor complaints: not when tasks are cancelled, not when the loop is just closed."""
    program = [sys.executable, "-W", "error", "-c", LOOPS]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_closed_loops_leave_no_sockets(admin: redis.Redis) -> None:
    """The next to ask for a subscriber closes what they left."""

    async def act() -> None:
        await (await asubscriber()).subscribe("news", Ear())

    for _ in range(5):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(act())
        loop.close()
    until(lambda: admin.publish("news", "1") == 1)
    asyncio.run(act())
    until(lambda: admin.publish("news", "1") == 0)
