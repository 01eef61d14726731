"""Processes that die, freeze, fork, or do not get to run, while they hold a lock or wait for it.

What a client's wall clock says is never asked. The clock of Redis is: it cannot be moved from here, and if it were, a
lease would end early or late, which the fence makes harmless to what is written.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from django_redis_patterns.locks import semaphore
from django_redis_patterns.locks.place import channel
from django_redis_patterns.locks.turnstile import renew
from tests.locks import holders
from tests.locks.holders import check, give, take, write
from tests.locks.torture import Field, Refused, keys_left, queued, until


@pytest.fixture
def field(tmp_path: Path, bare_redis: redis.Redis) -> Iterator[Field]:
    """Whatever happens in it: nobody is in with another, writes stay in order, and no key is left."""
    with Field(tmp_path) as field:
        yield field
        assert field.judge().is_safe
        until(lambda: keys_left(bare_redis) == [], 4)


def in_line(field: Field, redis: redis.Redis, count: int, **options: float) -> None:
    """Let *count* more processes wait for the lock, one behind the other."""
    for place in range(1, count + 1):
        field.process().tell(take, **options)
        until(lambda place=place: queued(redis) == place)


def test_a_holder_is_killed(field: Field, bare_redis: redis.Redis) -> None:
    """The first in the queue is in when its time is up, which it knows: it does not wait for a heartbeat."""
    holder, first, second = field.several(3)
    holder.do(take, ttl=1.5)
    for place, waiter in enumerate((first, second), 1):
        waiter.do(holders.do_without_heartbeats)
        waiter.tell(take)
        until(lambda place=place: queued(bare_redis) == place)
    holder.kill()
    first.hear()
    first.do(give)
    second.hear()
    second.do(give)
    assert field.judge().is_fair


@pytest.mark.parametrize("dead", [1, 5])
def test_the_first_waiters_are_killed(dead: int, field: Field, bare_redis: redis.Redis) -> None:
    """Nobody waits for the dead: the release itself passes over them, to the first that lives."""
    holder, *waiters = field.several(dead + 3)
    holder.do(take)
    channels = [waiter.do(channel) for waiter in waiters[:dead]]
    for place, waiter in enumerate(waiters, 1):
        waiter.tell(take)
        until(lambda place=place: queued(bare_redis) == place)
    for waiter in waiters[:dead]:
        waiter.kill()
    until(lambda: not set(channels) & set(bare_redis.pubsub_channels()))  # Redis has noticed
    holder.do(give)
    assert queued(bare_redis) == 1
    for waiter in waiters[dead:]:
        waiter.hear()
        waiter.do(give)
    assert field.judge().is_fair


def test_a_holder_is_frozen_for_longer_than_its_time(field: Field) -> None:
    """Another gets in; when the first wakes up it is told so, and what it writes is refused, checked or not."""
    frozen, other = field.several(2)
    frozen.do(take, ttl=0.3)
    frozen.do(write)
    frozen.freeze()
    other.do(take)
    other.do(write)
    frozen.thaw()
    with pytest.raises(Refused, match="LockLost"):
        frozen.do(check)
    with pytest.raises(Refused, match="LockLost"):
        frozen.do(write)
    with pytest.raises(Refused, match="StaleFence"):
        frozen.do(write, unchecked=True)
    with pytest.raises(Refused, match="LockLost"):
        frozen.do(give)
    other.do(write)
    other.do(give)
    assert [balance for _, balance in field.history()] == [1, 2, 3]


def test_a_holder_that_wakes_up_before_anybody_else_came(field: Field) -> None:
    """Is told as well: its time was up, whoever came or did not."""
    frozen = field.process()
    frozen.do(take, ttl=0.2)
    frozen.freeze()
    time.sleep(0.3)
    frozen.thaw()
    with pytest.raises(Refused, match="LockLost"):
        frozen.do(check)
    with pytest.raises(Refused, match="LockLost"):
        frozen.do(give)


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_waiter_is_frozen_when_it_is_granted(is_taken: bool, field: Field, bare_redis: redis.Redis) -> None:
    """It does not enter on a grant that has grown old: it asks again, and is in when it really is."""
    holder = field.process()
    holder.do(take)
    in_line(field, bare_redis, 1, ttl=0.4)
    frozen = field.processes[1]
    frozen.freeze()
    holder.do(give)
    time.sleep(0.5)
    if is_taken:
        between = holder.do(take)
    frozen.thaw()
    if is_taken:
        time.sleep(0.2)
        holder.do(give)
    fence = frozen.hear()
    assert not is_taken or fence > between
    frozen.do(write)
    frozen.do(give)


@pytest.mark.slow
def test_a_frozen_waiter_does_not_keep_the_others_out_for_its_whole_time(field: Field, bare_redis: redis.Redis) -> None:
    """A grant that nobody has taken up yet lasts 3 s at most, whatever the waiter's own time is."""
    holder = field.process()
    holder.do(take)
    in_line(field, bare_redis, 2, ttl=60, wait=60)
    frozen, other = field.processes[1:]
    frozen.freeze()
    holder.do(give)
    began = time.monotonic()
    other.hear()
    assert 2.5 < time.monotonic() - began < 30
    other.do(give)
    frozen.thaw()
    frozen.hear()
    frozen.do(give)


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-1, 1])
def test_clocks_of_clients_are_wrong(hours: int, field: Field) -> None:
    """By an hour, to either side: nobody notices."""
    right, wrong = field.several(2)
    wrong.do(holders.shift_clock, 3600 * hours)
    assert field.everybody(holders.work, "x", 10, ttl=3) == {"done": 20}
    assert field.judge().is_fair
    for process in (right, wrong):
        process.do(take, ttl=1)
        time.sleep(1.2)
        process.do(give)


def test_a_holder_forks(field: Field) -> None:
    """The child owns nothing: it is told so, may not release, and its end leaves its parent's lock alone."""
    holder = field.process()
    holder.do(take, ttl=1.2)
    told = holder.do(holders.fork)
    assert told == ["LockLost", "LockLost", "LockTimeout", "gone"]
    time.sleep(1.6)  # it is renewed by its parent, still
    holder.do(check)
    holder.do(give)


def test_a_child_locks_for_itself(field: Field, bare_redis: redis.Redis) -> None:
    """A child that was forked from one who holds and listens waits, gets in and is renewed on its own account."""
    parent, other = field.several(2)
    other.do(take, "x")
    parent.do(take, "y")
    parent.do(holders.do_without_heartbeats)
    with pytest.raises(Refused, match="LockTimeout"):
        parent.do(take, "x", wait=0.05)  # from now on it listens
    parent.tell(holders.fork_and_take, "x")
    until(lambda: queued(bare_redis) == 1)
    other.do(give, "x")
    assert parent.hear() == ["got in", "gone"]
    parent.do(check, "y")
    parent.do(give, "y")


def test_the_gil_is_held_for_longer_than_the_lock_lasts(field: Field) -> None:
    """The keeper could not run: another is in, and `check` says so before anything is written."""
    busy, other = field.several(2)
    busy.do(take, ttl=0.2)
    busy.tell(holders.hold_the_gil, 0.6)
    other.do(take)
    busy.hear()
    with pytest.raises(Refused, match="LockLost"):
        busy.do(check)
    other.do(write)
    with pytest.raises(Refused, match="StaleFence"):
        busy.do(write, unchecked=True)
    other.do(give)


@pytest.mark.slow
def test_an_event_loop_is_blocked_for_longer_than_the_lock_lasts(field: Field) -> None:
    """The keeper is a thread, and renews all the same: the lock is not lost."""
    holder, other = field.several(2)
    assert holder.do(holders.block_a_loop, ttl=1.5, seconds=3) == "held"
    other.do(take)
    other.do(give)


def test_threads_and_loops_on_one_lock(field: Field) -> None:
    """Of several processes: they take turns in the order in which they came, whatever they are."""
    field.several(2)
    assert field.everybody(holders.crowd, "x", 5, ttl=3) == {"done": 2 * 6 * 5}
    assert field.judge().is_fair
    assert len(field.stays()) == 60


def test_a_short_visit_does_not_shorten_what_others_have(bare_redis: redis.Redis) -> None:
    """Keys live for as long as the longest lease in them, whoever comes and goes."""
    thumbs = lambda ttl: semaphore("x", limit=2, ttl=ttl).acquire()  # noqa: E731
    long, short = thumbs(3 * 3600), thumbs(1)
    for key in long.quorum.leases[0].place.keys[::2]:
        assert bare_redis.ttl(key) > 3 * 3600
    renew("default", short.quorum.leases)
    for key in long.quorum.leases[0].place.keys[::2]:
        assert bare_redis.ttl(key) > 3 * 3600
    short.release()
    long.release()


@pytest.mark.slow
def test_all_at_once(field: Field, bare_redis: redis.Redis) -> None:
    """Crowds work for the same lock while processes are frozen, thawed and killed at random."""
    draw = random.Random(7)
    for process in field.several(6):
        process.tell(holders.crowd, "x", 60, hold=0.002, ttl=0.4, wait=60)
    end = time.monotonic() + 12
    lives = list(field.processes)
    while time.monotonic() < end:
        victim = draw.choice(lives)
        if draw.random() < 0.1 and len(lives) > 3:
            victim.kill()
            lives.remove(victim)
        else:
            victim.freeze()
            time.sleep(draw.uniform(0.05, 0.8))
            victim.thaw()
        time.sleep(draw.uniform(0, 0.2))
    for process in lives:
        told = process.hear()
        assert sum(told.values()) == 360
        assert set(told) <= {"done", "LockLost", "StaleFence"}
    last = field.process()
    last.do(take)
    last.do(give)
