"""Replies that are lost, links that are cut, servers that restart with their data or without."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.core.connections.breaker import breaker
from django_redis_patterns.locks import Held, LockLost, LockTimeout, LockUnavailable, lock
from django_redis_patterns.locks.claim import HEARTBEAT
from django_redis_patterns.locks.keeper import GIVE_BACK_AT
from django_redis_patterns.locks.place import channel
from django_redis_patterns.locks.turnstile import evict, renew
from django_redis_patterns.testing.proxy import FaultProxy
from django_redis_patterns.testing.servers import RedisServer
from tests.core.desks import connected
from tests.locks import holders
from tests.locks.holders import check, give, take, write
from tests.locks.torture import Field, Refused, keys_left, queued, until

Run = Callable[..., Any]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of this test's own, that forgets everything when it restarts."""
    breaker.cache_clear()
    with RedisServer() as server, connected(URL=server.url, TIMEOUT=0.5, CONNECT_TIMEOUT=0.5):
        yield server


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[FaultProxy]:
    """A network in front of it, for this process or for one of a test's."""
    with FaultProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def admin(server: RedisServer) -> Iterator[redis.Redis]:
    with server.client(decode_responses=True) as admin:
        yield admin


@pytest.fixture
def field(tmp_path: Path, server: RedisServer, admin: redis.Redis) -> Iterator[Field]:
    """Whatever happens in it: nobody is in with another, writes stay in order, and no key is left."""
    with Field(tmp_path, patient(server)) as field:
        yield field
        assert field.judge().is_safe
        until(lambda: keys_left(admin) == [], 4)


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs an operation in one of its ways."""
    with asyncio.Runner() as runner:

        def arun(operation: Any, *args: Any) -> Any:
            twin = operation.twin.__get__(operation.__self__) if hasattr(operation, "__self__") else operation.twin
            return runner.run(twin(*args))

        yield arun if request.param == "async" else lambda operation, *args: operation(*args)
        runner.run(adisconnect())


@pytest.fixture
def through(proxy: FaultProxy, admin: redis.Redis) -> Iterator[FaultProxy]:
    """The proxy, as the way of this process; no key is left behind it."""
    with connected(URL=proxy.url, TIMEOUT=0.5, CONNECT_TIMEOUT=0.5):
        yield proxy
        until(lambda: keys_left(admin) == [], 4)


@pytest.mark.parametrize("wait", [0, 5])
def test_the_reply_to_acquire_is_lost(wait: int, through: FaultProxy, run: Run, admin: redis.Redis) -> None:
    """It asks again, is told that it is in already, and does not wait for itself."""
    run(run(lock("x").acquire).release)  # from now on Redis knows the script
    through.cut_reply()
    held: Held = run(lock("x", wait=wait, ttl=60).acquire)
    held.check()
    assert admin.zcard(lock("x").places()[0].keys[0]) == 1
    run(held.release)


def test_the_reply_to_release_is_lost(through: FaultProxy, run: Run) -> None:
    """It is released once, which is no `LockLost`, and the next one does not wait."""
    held: Held = run(lock("x").acquire)
    through.cut_reply()
    run(held.release)
    run(run(lock("x", wait=0).acquire).release)


def test_the_reply_to_release_is_lost_and_another_is_in(
    through: FaultProxy, run: Run, field: Field, admin: redis.Redis
) -> None:
    """The second release leaves the new holder alone, and knows that the first was in time."""
    other = field.process()
    held: Held = run(lock("x").acquire)
    other.tell(take)
    until(lambda: queued(admin) == 1)
    through.cut_reply()
    run(held.release)
    other.hear()
    other.do(check)
    other.do(give)


def test_a_lock_that_was_lost_is_lost_though_the_reply_is(through: FaultProxy, run: Run, admin: redis.Redis) -> None:
    """A release of what was put out says so the second time as well."""
    held: Held = run(lock("x").acquire)
    evict(held.quorum.leases[0].place)
    through.cut_reply()
    with pytest.raises(LockLost):
        run(held.release)


@pytest.mark.slow
def test_redis_is_away_for_longer_than_the_looks_of_giving_back(through: FaultProxy, run: Run) -> None:
    """They go on until it is back: it is free then, and not only when its time is up."""
    held: Held = run(lock("x", ttl=60).acquire)
    through.refuse()
    through.reset()
    with pytest.raises(LockUnavailable):
        run(held.release)
    time.sleep(GIVE_BACK_AT[-1] + 0.5)
    through.heal()


@pytest.mark.slow
def test_the_reply_to_a_renewal_is_lost(through: FaultProxy, run: Run) -> None:
    """It is renewed again, and is not lost."""
    held: Held = run(lock("x", ttl=1.5).acquire)
    through.cut_reply()
    assert run(renew, "default", held.quorum.leases) == [True]
    time.sleep(0.8)
    through.cut_reply()  # of the keeper's
    time.sleep(1.5)
    held.check()
    run(held.release)


def test_the_reply_to_giving_up_is_lost(through: FaultProxy, run: Run, field: Field, admin: redis.Redis) -> None:
    """Who waits no longer leaves the queue, and is told no error but that the lock was busy."""
    holder = field.process()
    holder.do(take)
    with pytest.raises(LockTimeout):
        run(lock("x", wait=0.01).acquire)  # from now on it listens, and is in the queue by its first command
    through.cut_reply(after=2)
    with pytest.raises(LockTimeout):
        run(lock("x", wait=0.2).acquire)
    assert queued(admin) == 0
    holder.do(give)


def test_every_reply_in_turn_is_lost(through: FaultProxy, run: Run, field: Field, admin: redis.Redis) -> None:
    """Of a lock that is waited for, used and left: each time it is got, is ours, and leaves nothing behind."""
    holder = field.process()
    for lost in range(1, 7):
        holder.do(take)
        through.cut_reply(after=lost)
        holder.tell(holders.give_when_queued)
        held: Held = run(lock("x", wait=10).acquire)
        holder.hear()
        held.check()
        run(held.release)
        through.heal()
        until(lambda: keys_left(admin) == [], 4)


def test_a_restart_without_data(server: RedisServer, field: Field, admin: redis.Redis) -> None:
    """Who waited gets the lock, by a higher fence; the holder learns that it is lost, by renewing or by releasing."""
    holder, other, waiter = field.several(3)
    first = holder.do(take)
    other.do(take, "y", ttl=1)
    waiter.tell(take, wait=20)
    until(lambda: queued(admin) == 1)
    with server.down():
        time.sleep(0.3)
    assert waiter.hear() > first
    with pytest.raises(Refused, match="LockLost"):
        holder.do(give)
    time.sleep(0.4)
    with pytest.raises(Refused, match="LockLost"):
        other.do(check, "y")
    waiter.do(write)
    waiter.do(give)


def test_a_restart_with_all_data(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    """Nobody notices: the holder is renewed, the queue stands, and the lock is handed over as if nothing had been.

    Who waits asks once in between, and bears that nobody answers.
    """
    breaker.cache_clear()
    options = ["--appendonly", "yes", "--appendfsync", "always"]
    with RedisServer(options=options) as server, server.client() as admin, Field(tmp_path, patient(server)) as field:
        holder, waiter = field.several(2)
        holder.do(take, ttl=6)
        waiter.tell(take, ttl=6, wait=20)
        until(lambda: queued(admin) == 1)
        with server.down():
            time.sleep(HEARTBEAT + 0.5)
        holder.do(check)
        holder.do(give)
        waiter.hear()
        waiter.do(give)
        assert field.judge().is_fair


def test_all_data_is_flushed(field: Field, admin: redis.Redis) -> None:
    """The fence rises on; the holder is told at its next renewal, and the waiter finds its place again."""
    holder, waiter, third = field.several(3)
    fences = [holder.do(take, ttl=0.6)]
    waiter.tell(take)
    until(lambda: queued(admin) == 1)
    admin.flushall()
    fences.append(waiter.hear())
    with pytest.raises(Refused, match="LockLost"):
        until(lambda: holder.do(check))
    waiter.do(give)
    admin.flushall()
    fences.append(third.do(take))
    assert fences == sorted(set(fences))
    third.do(give)


def test_every_client_is_killed_again_and_again(field: Field, admin: redis.Redis) -> None:
    """Whoever holds and whoever waits connects anew, and all get their turns."""
    for process in field.several(4):
        process.tell(holders.work, "x", 20, hold=0.005, wait=30)
    end = time.monotonic() + 1
    while time.monotonic() < end:
        for kind in ("normal", "pubsub"):
            admin.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        time.sleep(0.1)
    for process in field.processes:
        told = process.hear()
        assert sum(told.values()) == 20
        assert set(told) <= {"done", "LockUnavailable"}


def test_a_waiter_is_passed_over_while_its_link_is_cut(field: Field, proxy: FaultProxy, admin: redis.Redis) -> None:
    """As soon as it listens again it asks, whatever it may have missed: it does not wait for a heartbeat."""
    holder = field.process()
    waiter = field.process({"URL": proxy.url, "TIMEOUT": 0.5, "CONNECT_TIMEOUT": 0.5})
    waiter.do(holders.do_without_heartbeats)
    heard = waiter.do(channel)
    holder.do(take)
    waiter.tell(take, wait=15)
    until(lambda: queued(admin) == 1)
    proxy.refuse()
    proxy.reset()
    until(lambda: heard not in admin.pubsub_channels())
    holder.do(give)
    assert queued(admin) == 0
    proxy.heal()
    waiter.hear()
    waiter.do(give)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cut", "silent"])
def test_a_waiter_hears_nothing_for_two_seconds(how: str, field: Field, proxy: FaultProxy, admin: redis.Redis) -> None:
    """While the lock is handed on. When it hears again it gets in, and what it was granted meanwhile it may have."""
    holder = field.process()
    waiter = field.process({"URL": proxy.url, "TIMEOUT": 0.5, "CONNECT_TIMEOUT": 0.5})
    holder.do(take)
    waiter.tell(take, wait=20)
    until(lambda: queued(admin) == 1)
    if how == "cut":
        proxy.refuse()
        proxy.reset()
    else:
        proxy.black_hole()
    time.sleep(0.1)
    holder.do(give)
    time.sleep(2)
    proxy.heal()
    waiter.hear()
    waiter.do(write)
    waiter.do(give)


def test_a_holder_hears_nothing_for_a_while(field: Field, proxy: FaultProxy, admin: redis.Redis) -> None:
    """While it should be renewed. That is tried again in time: it is not lost, and nobody else gets in."""
    holder = field.process({"URL": proxy.url, "TIMEOUT": 0.3, "CONNECT_TIMEOUT": 0.3})
    holder.do(take, ttl=4.5)
    proxy.refuse()
    proxy.reset()
    time.sleep(1.7)  # a renewal was due after 1.5
    proxy.heal()
    until(lambda: admin.pttl(lock("x").places()[0].keys[0]) > 3500)
    holder.do(check)
    holder.do(give)


def test_a_holder_hears_nothing_for_longer_than_its_time(field: Field, proxy: FaultProxy, admin: redis.Redis) -> None:
    """It knows without Redis that the lock is lost, before another is in."""
    cut_off, other = field.process({"URL": proxy.url, "TIMEOUT": 0.3, "CONNECT_TIMEOUT": 0.3}), field.process()
    cut_off.do(take, ttl=0.5)
    proxy.black_hole()
    other.do(take)
    with pytest.raises(Refused, match="LockLost"):
        cut_off.do(check)
    proxy.heal()
    with pytest.raises(Refused, match="LockLost"):
        cut_off.do(give)
    other.do(check)
    other.do(give)


def patient(server: RedisServer) -> dict[str, Any]:
    return {"URL": server.url, "TIMEOUT": 1, "CONNECT_TIMEOUT": 1}
