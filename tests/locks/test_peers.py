"""What redis-py's Lock and python-redis-lock promise by their own tests, asked of ours.

Where ours does something else on purpose, the test says why.
"""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.locks import Held, LockError, LockLost, LockTimeout, lock
from django_redis_patterns.locks.place import owner
from django_redis_patterns.locks.turnstile import evict
from tests.locks import holders
from tests.locks.torture import Field, keys_left

Away = Callable[..., Any]


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    with Field(tmp_path) as field:
        yield field


def holds(redis: redis.Redis, name: str = "foo") -> float:
    """Return for how many seconds the lock is kept."""
    ((_, until),) = redis.zrange(lock(name).places()[0].keys[0], 0, -1, withscores=True)
    seconds, micros = redis.time()
    return float(until) / 1000 - seconds - micros / 1e6


def taken_away(held: Held) -> None:
    """Do as if it had run out, and somebody else had come and gone."""
    evict(held.quorum.leases[0].place)


class TestRedisPy:
    """tests/test_lock.py and tests/test_asyncio/test_lock.py."""

    def test_lock(self, bare_redis: redis.Redis) -> None:
        """Acquired without blocking, kept by Redis, gone when released. Theirs has no TTL by default; ours always."""
        held = lock("foo", wait=0).acquire()
        assert 0 < holds(bare_redis) <= 30
        held.release()
        assert keys_left(bare_redis) == []

    def test_lock_token(self, away: Away) -> None:
        """Each acquire is known by a token of its own. Theirs may be given by the caller; a token that two share, or
        that is used again, is what lets one release another's lock, so nobody chooses ours."""
        first = lock("foo").acquire()
        first.release()
        second = lock("foo").acquire()
        assert first.quorum.leases[0].card.token != second.quorum.leases[0].card.token
        with pytest.raises(LockError):
            first.release()
        second.check()
        second.release()

    def test_locked(self) -> None:
        """Whether anybody has it, asked through any object."""
        mine, other = lock("foo"), lock("foo")
        assert (mine.holders(), other.holders()) == ([], [])
        with mine:
            assert len(mine.holders()) == len(other.holders()) == 1
        assert (mine.holders(), other.holders()) == ([], [])

    def test_owned(self) -> None:
        """Whether it is mine. Theirs asks Redis each time; ours knows, since it is told."""
        held = lock("foo").acquire()
        with trace.record() as log:
            held.check()
            assert not held.lost
        assert log.commands == []
        held.release()
        with pytest.raises(LockLost):
            held.check()

    def test_competing_locks(self, away: Away) -> None:
        """One of two has it, then the other."""
        first = lock("foo", wait=0).acquire()
        with pytest.raises(LockTimeout):
            away(lock("foo", wait=0).acquire).result()
        first.release()
        second = lock("foo", wait=0).acquire()
        with pytest.raises(LockTimeout):
            away(lock("foo", wait=0).acquire).result()
        second.release()

    @pytest.mark.parametrize("ttl", [10, 9.5])
    def test_timeout_and_float_timeout(self, ttl: float, bare_redis: redis.Redis) -> None:
        """The time that is asked for is the time for which Redis keeps it, fractions included."""
        with lock("foo", ttl=ttl) as held:
            assert ttl - 2 < holds(bare_redis) <= ttl
            assert ttl - 2 < held.remaining < ttl

    def test_blocking_timeout(self, away: Away) -> None:
        """Who waits in vain has waited for as long as it said, in one script to ask and one to leave. Theirs returns
        False, which is easily overlooked; ours raises."""
        with lock("foo"):
            began = time.monotonic()
            with pytest.raises(LockTimeout) as caught:
                away(lock("foo", wait=0.2).acquire).result()
            assert time.monotonic() - began >= 0.2
        assert caught.value.waited >= 0.2

    def test_context_manager(self, bare_redis: redis.Redis) -> None:
        with lock("foo"):
            assert holds(bare_redis) > 0
        assert keys_left(bare_redis) == []

    def test_context_manager_blocking_timeout(self, away: Away) -> None:
        """A block whose lock was not free is not entered."""

        def enter() -> None:
            with lock("foo", wait=0.05):
                raise AssertionError("it was entered")

        with lock("foo"), pytest.raises(LockTimeout):
            away(enter).result()

    def test_high_sleep_small_blocking_timeout(self, away: Away) -> None:
        """Theirs gives up at once when its pause is longer than the wait. Ours has no pauses: it is there in time."""
        holder = lock("foo").acquire()
        waiter = away(lock("foo", wait=0.5).acquire)
        time.sleep(0.1)
        holder.release()
        waiter.result().release()

    def test_context_manager_not_raise_on_release_lock_not_owned_error(self) -> None:
        """Theirs has an option for what the end of a block does when the lock is lost. Ours raises `LockLost`, unless
        the body has raised something, which goes on."""
        with pytest.raises(LockLost), lock("foo") as held:
            taken_away(held)
        with pytest.raises(ZeroDivisionError), lock("foo") as held:
            taken_away(held)
            _ = 1 / 0

    def test_releasing_unlocked_lock_raises_error(self) -> None:
        with pytest.raises(LockError):
            lock("foo").release()

    def test_releasing_lock_no_longer_owned_raises_error(self, away: Away) -> None:
        """And what is somebody else's by now stays theirs. (Theirs forgets its token; ours is over as well.)"""
        held = lock("foo").acquire()
        taken_away(held)
        other = away(lock("foo").acquire).result()
        with pytest.raises(LockLost):
            held.release()
        other.check()
        other.release()

    @pytest.mark.slow
    def test_extend_and_reacquire_lock(self, bare_redis: redis.Redis) -> None:
        """Theirs is prolonged by hand: extend, reacquire. Ours for as long as it is held, without a call to forget."""
        with lock("foo", ttl=1.2) as held:
            time.sleep(2.5)
            held.check()
            assert 0 < holds(bare_redis) <= 1.2

    def test_extending_and_reacquiring_an_expired_lock(self) -> None:
        """What has run out is not prolonged, and who had it is told."""
        held = lock("foo", ttl=0.3).acquire()
        taken_away(held)
        time.sleep(0.3)
        with pytest.raises(LockLost):
            held.check()
        with pytest.raises(LockLost):
            held.release()

    def test_a_lock_object_that_tasks_share(self) -> None:
        """In theirs a task frees what another one holds: the token is the thread's. Ours belongs to the task."""

        async def act() -> None:
            shared = lock("foo", wait=0.1)
            await shared.aacquire()
            with pytest.raises(LockError):
                await asyncio.create_task(shared.arelease())
            assert len(await shared.aholders()) == 1
            await shared.arelease()
            await adisconnect()

        asyncio.run(act())


class TestPythonRedisLock:
    """tests/test_redis_lock.py."""

    def test_no_overlap(self, field: Field) -> None:
        """Threads of many processes: never two at a time. Theirs counts overlaps, ours the order as well."""
        field.several(4)
        assert field.everybody(holders.crowd, "x", 3, threads=4, tasks=0) == {"done": 48}
        assert field.judge().is_fair

    def test_no_overlap2(self, field: Field) -> None:
        """Many that all want it once, at the same moment: each gets it, one after the other."""
        field.several(2)
        assert field.everybody(holders.crowd, "x", 1, threads=20, tasks=0) == {"done": 40}
        assert len(field.stays()) == 40
        assert field.judge().is_fair

    def test_signal_expiration(self, bare_redis: redis.Redis) -> None:
        """Theirs leaves a signal key that runs out. Ours leaves no key but the last fence, which runs out as well."""
        lock("foo").acquire().release()
        assert keys_left(bare_redis) == []
        (facts,) = bare_redis.scan_iter()
        assert 0 < bare_redis.ttl(facts) <= 3600 + 30

    def test_no_block(self, away: Away) -> None:
        """Asked once, and told who has it."""
        with lock("foo"), pytest.raises(LockTimeout, match=r"was not free.*: held by"):
            away(lock("foo", wait=0).acquire).result()

    def test_timeout_expire(self, field: Field) -> None:
        """Who waits for longer than a dead holder's time gets in; theirs waits for its own time instead."""
        dead, waiter = field.several(2)
        dead.do(holders.take, ttl=0.2)
        dead.kill()
        waiter.do(holders.take, ttl=60, wait=2)
        waiter.do(holders.give)

    def test_timeout_acquired(self, away: Away) -> None:
        """It is free in time: who waits gets in."""
        held = lock("foo").acquire()
        waiter = away(lock("foo", wait=2).acquire)
        held.release()
        waiter.result().release()

    def test_not_expired(self, away: Away) -> None:
        """Who waits for less than the holder's time does not."""
        with lock("foo", ttl=2), pytest.raises(LockTimeout):
            away(lock("foo", wait=0.3).acquire).result()

    @pytest.mark.slow
    def test_auto_renewal(self, away: Away) -> None:
        """It lives for as long as its holder wants, and is free at once then. Theirs has a thread for each lock."""
        with lock("foo", ttl=1.2):
            time.sleep(2.5)
            with pytest.raises(LockTimeout):
                away(lock("foo", wait=0).acquire).result()
        away(lock("foo", wait=0).acquire).result().release()

    @pytest.mark.parametrize("how", ["gc", "del"])
    def test_auto_renewal_stops_after_gc_and_after_del(self, how: str, away: Away) -> None:
        """A lock that nobody can release any more is not renewed."""
        mine = [lock("foo", ttl=0.3).acquire()]
        if how == "gc":
            mine.append(mine)  # type: ignore[arg-type]
        del mine
        gc.collect()
        away(lock("foo", wait=2).acquire).result().release()

    @pytest.mark.parametrize("ttl", [0, -1, None, "10"])
    def test_bad_values(self, ttl: Any) -> None:
        """Theirs may have none and then never ends. Ours: none given is the setting, and nonsense is refused."""
        if ttl is None:
            with lock("foo", ttl=ttl) as held:
                assert 0 < held.remaining <= 30
        else:
            with pytest.raises((ValueError, TypeError), match="ttl"):
                lock("foo", ttl=ttl)

    def test_reset(self, away: Away) -> None:
        """By force, from anywhere: the next one gets in, and whoever had it is told, as in theirs nobody is."""
        held = lock("foo").acquire()
        waiter = away(lock("foo").acquire)
        time.sleep(0.05)
        evict(held.quorum.leases[0].place)
        waiter.result().release()
        with pytest.raises(LockLost):
            held.release()

    def test_owner_id_and_get_owner_id(self) -> None:
        """Who has it can be asked. Theirs is told by an id of the caller's, ours by host and process."""
        assert lock("foo").holders() == []
        with lock("foo") as held:
            (holder,) = lock("foo").holders()
            assert (holder.owner, holder.fence) == (owner(), held.fence)

    def test_double_acquire(self) -> None:
        """Theirs refuses the same object (AlreadyAcquired). Ours refuses the same name, to whoever is in already."""
        with lock("foo"), pytest.raises(LockError, match="would wait for itself"), lock("foo"):
            pass

    def test_release_from_nonblocking_leaving_garbage(self, bare_redis: redis.Redis) -> None:
        """Again and again: nothing heaps up in Redis."""
        for _ in range(10):
            lock("foo", wait=0).acquire().release()
        assert keys_left(bare_redis) == []
        assert len(list(bare_redis.scan_iter())) == 1
