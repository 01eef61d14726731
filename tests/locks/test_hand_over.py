"""What a lock costs: commands as Redis itself counts them, and the order in which it is handed over."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.locks import lock
from django_redis_patterns.locks.claim import HEARTBEAT
from django_redis_patterns.locks.keeper import keeper
from django_redis_patterns.testing.servers import RedisServer
from tests.locks import holders
from tests.locks.holders import give, take
from tests.locks.torture import Field, queued, until


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    with Field(tmp_path) as field:
        yield field


@pytest.fixture
def quiet(redis_server: RedisServer, tmp_path: Path) -> Iterator[tuple[Field, redis.Redis]]:
    """A field and a client on a server that nobody else talks to."""
    with RedisServer() as server, server.client() as client, Field(tmp_path, {"URL": server.url}) as field:
        yield field, client


def calls(redis: redis.Redis) -> dict[str, int]:
    """Return how often each command was called since the statistics began."""
    return {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in redis.info("commandstats").items()}


def test_nobody_else_wants_it(one_node: None) -> None:
    """Two commands, two trips, in both ways."""
    lock("x").acquire().release()
    with trace.record() as log, lock("x"):
        pass
    assert (len(log.commands), log.trips) == (2, 2)

    async def act() -> None:
        async with lock("x"):
            pass
        await adisconnect()

    with trace.record() as log:
        asyncio.run(act())
    assert (len(log.commands), log.trips) == (2, 2)


def test_eight_processes_want_it(quiet: tuple[Field, redis.Redis]) -> None:
    """Two scripts for each time that it is held, and nothing else: nobody polls, each release wakes one waiter at most.

    They get it strictly in the order in which Redis took them into the queue: whoever lets it go and wants it again
    goes to the end.
    """
    field, redis = quiet
    field.several(8)
    field.everybody(holders.convoy, 1)
    redis.config_resetstat()
    began = time.monotonic()
    assert field.everybody(holders.convoy, 25) == {"done": 200}
    told, heartbeats = calls(redis), 8 * (time.monotonic() - began) / HEARTBEAT
    scripts = told["evalsha"] + told.get("eval", 0)
    assert 400 <= scripts <= 400 + 8 + heartbeats  # a process that listens for the first time asks once more
    assert told["publish"] <= 200
    assert told.get("subscribe", 0) <= 8  # each process once, if it has not waited before
    verdict = field.judge()
    assert verdict.is_fair
    stays = field.stays()
    assert len(stays) == 208
    in_queue = [stay for stay in stays if stay.arrival != stay.fence]
    assert len(in_queue) > 150


def test_one_release_wakes_one(quiet: tuple[Field, redis.Redis]) -> None:
    """The others are not told, ask nothing, and stand in the queue as before."""
    field, redis = quiet
    holder, *waiters = field.several(8)
    holder.do(take)
    for place, waiter in enumerate(waiters, 1):
        waiter.tell(take)
        until(lambda place=place: queued(redis) == place)
    for left in reversed(range(7)):
        redis.config_resetstat()
        holder.do(give)
        holder, *waiters = waiters
        holder.hear(0.5)
        told = calls(redis)
        assert told["publish"] == 1
        assert queued(redis) == left
    holder.do(give)
    assert field.judge().is_fair


def test_many_come_at_once_to_a_process_that_does_not_listen_yet(field: Field) -> None:
    """All of them end up in the queue, also those who asked before their process listened: none needs its heartbeat."""
    process = field.process()
    process.do(holders.do_without_heartbeats)
    assert process.do(holders.crowd, "x", 1, threads=20, tasks=0, wait=5) == {"done": 20}


def test_a_newcomer_does_not_jump_the_queue(field: Field, bare_redis: redis.Redis) -> None:
    """Not even without waiting, in the moment in which the lock is free and the first in the queue sleeps."""
    holder, waiter, newcomer = field.several(3)
    holder.do(take, ttl=0.3)
    waiter.tell(take)
    until(lambda: queued(bare_redis) == 1)
    waiter.freeze()
    holder.kill()
    time.sleep(0.4)  # the holder's time is up, and nobody has taken note
    newcomer.tell(take, wait=0)
    with pytest.raises(Exception, match="LockTimeout"):
        newcomer.hear()
    waiter.thaw()
    waiter.hear()
    waiter.do(give)


def test_a_thousand_locks_are_renewed_by_one_command(redis_server: RedisServer, bare_redis: redis.Redis) -> None:
    """Each third of their time; those that were taken at different moments end up in the same command."""
    until(lambda: not keeper("default")._errands)  # of other tests
    interval = 0.5
    held = [lock(f"lock{number}", ttl=3 * interval).acquire() for number in range(1000)]
    deadlines = lambda: [one.quorum.leases[0].deadline for one in held]  # noqa: E731
    until(lambda: max(deadlines()) - min(deadlines()) < 0.001)
    bare_redis.config_resetstat()
    before, began = deadlines(), time.monotonic()
    time.sleep(4 * interval)
    renewals = calls(bare_redis)["evalsha"]
    assert 2 <= renewals <= (time.monotonic() - began) / interval + 1
    assert all(now > then + interval for now, then in zip(deadlines(), before, strict=True))
    for one in held:
        one.check()
        one.release()


def test_a_lock_that_is_held_for_a_moment_leaves_the_keeper_asleep() -> None:
    """Its thread is neither woken nor replaced: there is nothing to keep, though somebody keeps what he held."""
    with lock("x"):
        pass
    past = []
    mine = keeper("default")
    thread, wakes_at = mine._thread, mine._wakes_at
    assert thread is not None
    for _ in range(100):
        with lock("x") as held:
            past.append(held)
    assert mine._leases == {}
    assert mine._thread is thread
    assert not mine._wake.is_set()
    assert mine._wakes_at - wakes_at < 2
