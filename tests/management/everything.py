"""All that the rooms do, for users who may do just that."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import redis
from channels.layers import ChannelLayerManager
from django.contrib.auth.models import User
from django.db import transaction

from django_redis_patterns import sessions
from django_redis_patterns.caching import cached, invalidate_tags
from django_redis_patterns.caching.leases import give_back, prolong
from django_redis_patterns.caching.near import near
from django_redis_patterns.caching.tally import all_stats
from django_redis_patterns.caching.through import claim
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.core.subscriber import subscriber
from django_redis_patterns.leaderboards import Leaderboard, Trending
from django_redis_patterns.leaderboards.following import all_boards
from django_redis_patterns.locks import LockLost, LockTimeout, lock, semaphore
from django_redis_patterns.locks.state import all_states
from django_redis_patterns.locks.turnstile import evict, renew
from django_redis_patterns.ratelimit import Limiter
from django_redis_patterns.ratelimit.rules import ALGORITHMS
from django_redis_patterns.realtime import anotify, broadcast, notify
from django_redis_patterns.realtime.hub import get_hub
from django_redis_patterns.realtime.sign_out import sign_out
from django_redis_patterns.realtime.transmit import channel_of
from tests.boards.models import Lap, Play, Player, Sale, Vote
from tests.core.desks import Ear, until
from tests.management.logs import of_streams
from tests.sessions.conftest import login


def of_sessions(admin: redis.Redis) -> None:
    """Log in, change, list, end: also what was lost meanwhile, and what nobody has read."""
    user = User(pk=1)
    session = login(cart=[1])
    session = sessions.SessionStore(session.session_key)
    session["cart"].append(2)
    del session["_auth_user_backend"]
    session.save()
    assert session.exists(session.session_key)
    session.cycle_key()
    session.touch()
    other, third = login(), login()
    sessions.SessionStore(third.session_key).flush()
    admin.delete(*[key for key in admin.scan_iter("*") if admin.type(key) == "hash"][:1])  # one is lost
    sessions.for_user(user)
    sessions.logout(user, sessions.for_user(user)[0].id)
    login()
    assert sessions.logout_everywhere(user)
    replaced = login()
    replaced.clear()
    replaced["a"] = 1
    replaced.save()
    replaced.set_expiry(-1)
    replaced.save()
    other.delete()
    asyncio.run(_of_sessions(user))


async def _of_sessions(user: User) -> None:
    session = sessions.SessionStore()
    session["a"] = 1
    await session.asave()
    await session.acycle_key()
    await sessions.afor_user(user)
    await sessions.alogout_everywhere(user)
    await session.aflush()
    await adisconnect()


def of_leaderboards(admin: redis.Redis) -> None:
    """Boards with and without a model, in all orders, with all ties; rebuilt and mended."""
    with transaction.atomic():
        ada, bob = (Player.objects.create(name=name, points=points) for name, points in (("ada", 9), ("bob", 7)))
        for player, points in ((ada, 3), (bob, 3), (ada, 5)):
            Play.objects.create(player=player, points=points)
            Sale(seller=player, amount=points).save()
            Lap.objects.create(driver=player, seconds=points)
    for manager in (Play.leaderboard, Sale.board, Sale.fastest, Lap.leaderboard, Player.leaderboard):
        _read(manager, [ada, bob])
    Play.objects.all()[0].delete()
    Play.objects.all()[0].delete()
    for board in all_boards():
        manager: Any = board.truth.manager
        manager.rebuild()
        for key in {board.keys(window).board for window in board.windows_now()}:
            admin.zpopmin(key)  # one is lost
        manager.reconcile(fix=True)
    votes = Vote.leaderboard.board
    admin.zadd(votes.keys(votes.windows_now()[0]).board, {"a ghost": 1})
    assert Vote.leaderboard.reconcile(fix=True).ghost == 1
    songs = Leaderboard("songs")
    songs.add("x", 7)
    songs.increment("x", 2)
    _read(songs, ["x"])
    _read(Leaderboard("songs", order="asc"), ["x"])
    songs.remove("x")
    hot = Trending("articles", half_life="6h")
    hot.hit("a")
    Trending("articles", half_life="3h").hit("a")
    assert (hot.rank("a"), len(hot.top())) == (1, 1)
    hot.score("a")
    hot.remove("a")
    asyncio.run(_of_leaderboards())


def _read(board: Any, members: list[Any]) -> None:
    board.top(10), board.page(2, size=1), board.around(members[0]), board.count(), board.among(members)
    for member in members:
        board.rank(member), board.score(member), board.percentile(member)


async def _of_leaderboards() -> None:
    board = Leaderboard("async")
    await board.aadd("x", 1)
    await board.atop()
    await board.aremove("x")
    await adisconnect()


def of_caching(admin: redis.Redis) -> None:
    """Make, wait, fail, go stale, invalidate in every way; keep copies."""

    @cached(ttl=60, tags=["a"])
    def slow(n: int) -> int:
        time.sleep(0.2)
        return n

    @cached(ttl=0.001, stale=60)
    def stale() -> int:
        return 1

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(slow, [1, 1, 2])) == [1, 1, 2]
    slow(1), slow.set(2, 1), slow.peek(1), slow.refresh(1), slow.many([(1,), (3,)])
    slow.write_through("n")(lambda n: n)(1)
    slow.invalidate(1)
    invalidate_tags("a")
    call = slow.call_of(1)
    claim(call, "token")
    assert prolong(call.place, "token")
    assert give_back(call.place, "token")
    stale(), time.sleep(0.01), stale()
    copied = cached(ttl=60, near=True)(lambda: 1)
    until(lambda: copied() and len(near("default").copies))
    copied.invalidate()
    assert all_stats()
    asyncio.run(_of_caching())


async def _of_caching() -> None:
    @cached(ttl=60)
    async def f() -> int:
        return 1

    await f()
    await f.ainvalidate()
    await adisconnect()


def of_ratelimit(admin: redis.Redis) -> None:
    """Hit, look, give back and forget, by every algorithm, within the limit and over it."""
    for algorithm in ALGORITHMS:
        limiter = Limiter("login", "2/d", algorithm=algorithm)
        first = limiter.hit("ann")
        assert (bool(limiter.hit("ann")), bool(limiter.hit("ann"))) == (True, False)
        limiter.refund(first)
        assert limiter.peek("ann").remaining == 1
        limiter.reset("ann")
    short = Limiter("short", "2/s", algorithm="log")
    short.hit("ann")
    time.sleep(0.6)
    short.hit("ann")
    time.sleep(0.6)
    assert short.hit("ann")  # one has left the window, and is cut off
    asyncio.run(_of_ratelimit())


async def _of_ratelimit() -> None:
    assert await Limiter("async", "2/d").ahit("ann")
    await adisconnect()


def of_locks(admin: redis.Redis) -> None:
    """Hold, wait, hand over, be late, be put out; look at what is held."""
    for make in (partial(lock, ["a", "b"]), partial(semaphore, "s", limit=1)):
        with ThreadPoolExecutor() as pool:
            held = make().acquire()
            with pytest.raises(LockTimeout):
                make(wait=0.1).acquire()
            waiting = pool.submit(make().acquire)
            until(lambda: any(state.waiters for state in all_states("default")))
            assert make().holders()
            assert [renew("default", [lease]) for lease in held.quorum.leases] == [[True]] * len(held.quorum.leases)
            held.release()
            waiting.result().release()
    with pytest.raises(LockLost), lock("c") as held:
        assert evict(held.quorum.leases[0].place) == 1
    asyncio.run(_of_locks())


async def _of_locks() -> None:
    async with lock("a"):
        pass
    await adisconnect()


def of_realtime(admin: redis.Redis) -> None:
    """Tell users, topics and servers; listen on an event loop, in a thread, and through Channels."""
    user = User(pk=1)
    notify(user, "news", {}, now=True)
    broadcast("orders.7", "changed", {}, now=True)
    sign_out("1")
    first, last = (subscriber("default").subscribe(channel_of(f"orders.{n}"), Ear()) for n in (7, 8))
    first.close()
    asyncio.run(_of_realtime(user))
    end = time.monotonic() + 20
    while "cmdstat_unsubscribe" not in admin.info("commandstats") and time.monotonic() < end:
        time.sleep(0.05)
    last.close()


async def _of_realtime(user: User) -> None:
    class Receiver(list):  # type: ignore[type-arg]
        __hash__ = object.__hash__

        def deliver(self, text: str) -> None:
            self.append(text)

        def reset(self, topic: str) -> None:
            pass

    receiver, hub = Receiver(), await get_hub()
    await hub.join("orders.7", receiver)
    await anotify(user, "news", {})
    hub.leave("orders.7", receiver)
    layer: Any = ChannelLayerManager()["default"]
    await layer.group_add("chat", name := await layer.new_channel())
    await layer.group_send("chat", {"type": "hello"})
    assert await layer.receive(name) == {"type": "hello"}
    await layer.flush()
    await adisconnect()


ROOMS = {
    "sessions": of_sessions,
    "caching": of_caching,
    "ratelimit": of_ratelimit,
    "locks": of_locks,
    "leaderboards": of_leaderboards,
    "streams": of_streams,
    "realtime": of_realtime,
}
