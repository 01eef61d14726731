"""Redlock: the majority of independent servers decides."""

import time
from collections.abc import Iterator

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.test import override_settings

from django_redis_patterns.core.operations import batch
from django_redis_patterns.exceptions import RedisUnavailable
from django_redis_patterns.locks import LockLost, LockTimeout, LockUnavailable, lock
from django_redis_patterns.testing.servers import RedisServer
from tests.core.desks import until

from .test_async import run

NODES = ["r1", "r2", "r3", "r4", "r5"]
#: Seconds that a busy machine may need; a node that does not answer would take far longer.
SOON = 3.0


@pytest.fixture(scope="module")
def servers() -> Iterator[list[RedisServer]]:
    several = [RedisServer().start() for _ in NODES]
    yield several
    for server in several:
        server.stop()


@pytest.fixture(autouse=True)
def nodes(servers: list[RedisServer]) -> Iterator[None]:
    connections = {alias: {"URL": server.url, "TIMEOUT": 8.0} for alias, server in zip(NODES, servers, strict=True)}
    connections["default"] = connections["r1"]
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": connections}):
        for server in servers:
            server.client().flushall()
        yield


def ledger(**options):
    return lock("ledger", nodes=NODES, **options)


def holding(servers):
    """On how many servers it is held."""
    return sum(bool(server.client().keys("*:holders")) for server in servers)


def test_one_at_a_time(servers, away):
    """The majority lets in one; afterwards nothing is left on any server."""
    with ledger() as held:
        assert holding(servers) >= 3
        held.check()
        with pytest.raises(LockTimeout, match="held by"):
            away(ledger(wait=0).acquire).result()
        waiting = away(ledger().acquire)
    waiting.result().release()
    until(lambda: holding(servers) == 0)


def test_many_rivals(servers, away):
    """Whoever gets no majority leaves and tries again, so that one of them wins."""
    inside, most = [], []

    def visit():
        with ledger(wait=60):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.002)
            inside.pop()

    for one in [away(visit) for _ in range(6)]:
        one.result(60)
    assert (len(most), max(most)) == (6, 1)
    until(lambda: holding(servers) == 0)


def test_fences_rise_whoever_the_majority_is(servers):
    """The fence is written back to the majority, so that the next one knows it though its clocks are behind."""
    server = servers[2]
    with ledger() as held:
        pass
    key = next(key for key in server.client().keys("*:facts"))
    server.client().hset(key, "last", 2**52)
    with ledger() as ahead:
        assert ahead.fence > held.fence
    fences = []
    for _ in range(4):
        with ledger() as later:
            fences.append(later.fence)
    assert fences == sorted(set(fences))
    # Now the server with that fence belongs to every majority.
    with servers[0].down(), servers[1].down(), ledger() as last_of_all:
        assert last_of_all.fence > max(2**52, *fences)


def test_a_dead_minority_costs_nothing(servers):
    with servers[0].down(), servers[3].down():
        started = time.monotonic()
        with ledger() as held:
            held.check()
        assert time.monotonic() - started < SOON


def test_a_slow_minority_costs_nothing(servers):
    """Nobody waits for it, neither in the beginning nor at the end; what it grants too late is given back."""
    with servers[0].frozen(), servers[3].frozen():
        started = time.monotonic()
        with ledger(ttl=30) as held:
            held.check()
        assert time.monotonic() - started < SOON
    until(lambda: holding(servers) == 0)


def test_no_majority_is_away_and_not_busy(servers):
    with servers[0].down(), servers[1].down(), servers[2].down():
        with pytest.raises(LockUnavailable) as caught:
            ledger().acquire()
        assert isinstance(caught.value, RedisUnavailable)
    until(lambda: holding(servers) == 0)


def test_a_wiped_server_is_healed(servers):
    """By the next renewal: so that a second one may be wiped after it."""
    with ledger(ttl=1.8) as held:
        for server in servers:
            server.client().flushall()
            until(lambda: holding(servers) == len(servers))
            held.check()


def test_a_server_that_was_away_is_asked_again(servers):
    with servers[4].down():
        held = ledger(ttl=1.8).acquire()
    until(lambda: holding(servers) == len(servers))
    held.release()
    until(lambda: holding(servers) == 0)


def test_a_lost_majority_is_a_lost_lock(servers):
    """And what is left of it is not held on to."""
    held = ledger(ttl=1.8).acquire()
    until(lambda: holding(servers) == len(servers))
    rival = lock("ledger", ttl=30)
    for number, alias in enumerate(NODES[:3]):
        servers[number].client().flushall()
        lock("ledger", connection=alias, ttl=30).acquire().quorum.drop()
    until(lambda: held.lost)
    assert rival.holders()
    with pytest.raises(LockLost):
        held.check()
    with pytest.raises(LockLost):
        held.release()


def test_from_a_coroutine(servers):
    async def main():
        async with ledger() as held:
            held.check()
        with pytest.raises(SynchronousOnlyOperation):
            ledger(wait=0).acquire()

    run(main())
    until(lambda: holding(servers) == 0)


def test_a_cancelled_attempt_leaves_nothing(servers):
    """Whatever the servers were about to answer."""
    import asyncio

    async def main():
        for steps in range(0, 20):
            task = asyncio.create_task(ledger().aacquire())
            await asyncio.sleep(steps / 5000)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                await task.result().arelease()

    run(main())
    until(lambda: holding(servers) == 0)


def test_not_in_a_batch():
    """It waits for answers of others."""
    with pytest.raises(TypeError, match="waits"), batch() as together:
        together(ledger(wait=0).acquire)


def test_an_unknown_node_is_named():
    from django_redis_patterns.exceptions import InvalidConfiguration

    with pytest.raises(InvalidConfiguration, match="r7"):
        lock("ledger", nodes=["r7", "r8", "r9"]).acquire()


def test_who_holds_it_is_told_by_all_servers(servers):
    """Once, though several know it, and also when the first one has forgotten."""
    with ledger():
        servers[0].client().flushall()
        assert len({holder.owner for holder in ledger().holders()}) == 1


def test_a_server_that_is_away_at_the_end_is_left_when_it_is_back(servers):
    held = ledger(ttl=600).acquire()
    until(lambda: holding(servers) == len(servers))
    servers[1].pause()
    held.release()
    time.sleep(0.1)
    servers[1].resume()
    until(lambda: holding(servers) == 0)
