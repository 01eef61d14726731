"""The lock by itself: who is in, who waits, what is told."""

import asyncio
import pickle
import threading
import time
from datetime import UTC, datetime, timedelta
from enum import Enum

import pytest
import redis
from django.core.exceptions import SynchronousOnlyOperation
from django.test import override_settings

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import client, options
from django_redis_patterns.exceptions import InvalidConfiguration, RedisUnavailable
from django_redis_patterns.locks import (
    LockError,
    LockLost,
    LockReentry,
    LockTimeout,
    LockUnavailable,
    lock,
    semaphore,
)
from django_redis_patterns.locks.keeper import keeper
from django_redis_patterns.locks.lease import Lease, living
from django_redis_patterns.locks.place import Card, Place, owner
from django_redis_patterns.locks.post import Post
from django_redis_patterns.locks.state import all_states
from django_redis_patterns.locks.turnstile import come, evict
from django_redis_patterns.testing.servers import free_port
from tests.core.desks import connected, until


def test_one_at_a_time(away):
    """While one is in, others are not; then they are."""
    with lock("orders") as held:
        with pytest.raises(LockTimeout):
            away(lock("orders", wait=0).acquire).result()
        assert not held.lost
        held.check()
    away(lock("orders", wait=0).acquire).result().release()


def test_two_commands_in_two_trips(one_node):
    """Nothing else is asked of Redis, with or without waiting."""
    with lock("warm"):
        pass
    for wait in (0, 5, None):
        with trace.record() as log, lock("orders", wait=wait):
            pass
        assert [told.command.split()[:2] for told in log.commands] == [["EVALSHA", "turnstile.lua"]] * 2
        assert log.trips == 2


def test_in_the_order_of_arrival(away, queue):
    """Each release lets in who has waited longest."""
    came, went = lock("orders"), []

    def visit(number):
        with lock("orders"):
            went.append(number)

    with came:
        visits = []
        for number in range(6):
            visits.append(away(visit, number))
            until(lambda: queue(came) == len(visits))
    for one in visits:
        one.result()
    assert went == list(range(6))


def test_who_waits_asks_nothing(away, queue, one_node):
    """A waiter's commands: one to ask, and after the grant one to leave; a first one of a process asks once more."""
    with lock("orders"), lock("warm"):
        away(lock("warm", wait=0.3).acquire).exception()
    logs = []

    def visit():
        with trace.record() as log, lock("orders"):
            pass
        logs.append(log)

    with lock("orders") as held:
        visits = [away(visit) for _ in range(3)]
        until(lambda: queue(lock("orders")) == 3)
        held.check()
        time.sleep(0.3)
    [one.result() for one in visits]
    assert [len(log.commands) for log in logs] == [2, 2, 2]


def test_not_waiting(away, queue):
    """``wait=0`` does not queue, and tells at once who is in."""
    with lock("orders"):
        with pytest.raises(LockTimeout, match=f"'orders' was not free: held by {owner()} since") as caught:
            away(lock("orders", wait=0).acquire).result()
        assert queue(lock("orders")) == 0
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.name == "orders"
    assert caught.value.holder.owner == owner()
    assert abs(caught.value.holder.since - datetime.now(UTC)) < timedelta(minutes=1)


def test_waiting_in_vain(away, left_over, queue):
    """Who gives up has left the queue, and the next one is not held up by it."""
    with lock("orders"):
        error = away(lock("orders", wait=timedelta(seconds=0.2)).acquire).exception()
        assert isinstance(error, LockTimeout)
        assert error.waited >= 0.2
        assert queue(lock("orders")) == 0
        waiting = away(lock("orders").acquire)
        until(lambda: queue(lock("orders")) == 1)
    waiting.result().release()
    assert left_over() == []


def test_fences_rise(bare_redis, is_clean):
    """Always, also when Redis has lost all it knew."""
    fences = []
    for number in range(6):
        with lock("orders") as held:
            fences.append(held.fence)
        if number % 2:
            bare_redis.flushall()
    assert fences == sorted(set(fences))
    is_clean()


def test_a_fence_rises_though_the_clock_of_redis_does_not(bare_redis):
    """A clock that was set back: the last fence counts."""
    ahead = lock("orders").places()[0].keys[2]
    bare_redis.hset(ahead, "last", 2**52)
    bare_redis.expire(ahead, 60)
    with lock("orders") as held:
        assert held.fence == 2**52 + 1


def test_a_dead_holder_is_out_when_its_time_is_up(away):
    """And the next one is in then, not later and not earlier."""
    dead = lock("orders", ttl=0.4).acquire()
    dead.quorum.drop()  # as if its process was gone: nobody renews
    started = time.monotonic()
    with lock("orders"):
        assert 0.2 < time.monotonic() - started < 5
    assert dead.lost
    with pytest.raises(LockLost):
        dead.check()


def test_a_living_holder_is_renewed():
    """For far longer than the ttl."""
    with lock("orders", ttl=1.2) as held:
        for _ in range(10):
            time.sleep(0.3)
            held.check()
            assert held.remaining > 0


@pytest.mark.parametrize("way", ["thread", "task"])
def test_who_ends_without_releasing_is_not_renewed_though_the_object_stays(way):
    """A lock object is often made once, for all threads and tasks."""
    shared = lock("orders", ttl=0.5)
    if way == "thread":
        thread = threading.Thread(target=shared.acquire)
        thread.start()
        thread.join()
        del thread
    else:
        asyncio.run(shared.aacquire())
    with lock("orders", wait=5):
        pass
    with pytest.raises(LockError, match="holds nothing"):
        shared.release()


def test_a_forgotten_lock_is_free_in_time(away):
    """The keeper does not keep what nobody can release."""
    lock("orders", ttl=0.3).acquire()
    with lock("orders"):
        pass


def test_max_hold(away, caplog):
    """Who holds for too long is renewed no more, and told."""
    held = lock("orders", ttl=0.3, max_hold=0.2).acquire()
    until(lambda: held.lost)
    away(lock("orders").acquire).result().release()
    with pytest.raises(LockLost):
        held.release()
    assert "longer than its max_hold" in caplog.text


def test_a_lock_that_was_lost_is_told_at_the_end(bare_redis):
    """Unless the body failed anyway."""
    with pytest.raises(LockLost, match="'orders' was lost"), lock("orders"):
        bare_redis.flushall()
    with pytest.raises(ZeroDivisionError), lock("orders"):
        bare_redis.flushall()
        raise ZeroDivisionError


def test_a_lock_that_was_lost_to_another_is_told_at_the_end(bare_redis, away):
    """Though the other one has a newer fence, or has come and gone since."""
    for is_gone in (False, True):
        held = lock("orders").acquire()
        bare_redis.flushall()
        other = away(lock("orders").acquire).result()
        if is_gone:
            other.release()
        with pytest.raises(LockLost):
            held.release()
        bare_redis.flushall()


def test_a_lock_that_was_lost_is_told_before_the_end(bare_redis):
    """By the next renewal."""
    held = lock("orders", ttl=0.6).acquire()
    bare_redis.flushall()
    until(lambda: held.lost)
    with pytest.raises(LockLost, match="does not know it any more"):
        held.check()
    assert held.remaining == 0
    with pytest.raises(LockLost):
        held.release()


def test_released_by_force(away):
    """The victim is told, and the next one comes in."""
    held = lock("orders", ttl=3).acquire()
    waiting = away(lock("orders").acquire)
    until(lambda: waiting.running() and lock("orders").holders())
    until(lambda: evict(lock("orders").places()[0]) == 1 or waiting.done())
    waiting.result().release()
    until(lambda: held.lost)
    with pytest.raises(LockLost, match=r"by force|does not know"):
        held.check()


def test_released_twice():
    """Is a mistake, and says so."""
    held = lock("orders").acquire()
    held.release()
    assert not held.lost
    with pytest.raises(LockError, match="released before"):
        held.release()
    with pytest.raises(LockLost, match="it was released"):
        held.check()


def test_plain_acquire_and_release(away, left_over):
    """As one knows it: the object knows what it has acquired, in each thread its own."""
    mine = lock("orders")
    mine.acquire()
    with pytest.raises(LockError, match="holds nothing of <Lock 'orders'>"):
        away(mine.release).result()
    mine.release()
    with pytest.raises(LockError, match="holds nothing"):
        mine.release()
    assert mine._acquired == {}
    assert left_over() == []


def test_released_by_another_thread(away, left_over):
    """Whoever has it may."""
    held = lock("orders").acquire()
    away(held.release).result()
    assert left_over() == []


def test_one_object_for_many(away):
    """Each use has a token of its own, also at the same time."""
    shared, inside, most = lock("orders"), [], []

    def visit():
        with shared:
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    for one in [away(visit) for _ in range(20)]:
        one.result()
    assert (len(most), max(most)) == (20, 1)


def test_who_would_wait_for_itself(left_over):
    """Is told at once; different locks may be nested."""
    with lock("orders"):
        with pytest.raises(LockReentry, match="holds the lock 'orders' already"), lock("orders"):
            pass
        with pytest.raises(LockReentry), lock(["bills", "orders"]):
            pass
        with lock("bills"), semaphore("orders", limit=1):
            pass
    with lock("orders"):
        pass
    assert left_over() == []


def test_several_names_are_all_or_none(away, left_over):
    """In one order for everybody, so two who want the same never wait for each other."""
    with lock(["b", "a", "b"]) as held:
        assert held.name == "a, b"
        for name in ("a", "b"):
            with pytest.raises(LockTimeout):
                away(lock(name, wait=0).acquire).result()
    with lock("b") as held:
        with pytest.raises(LockTimeout):
            away(lock(["a", "b"], wait=0).acquire).result()
        away(lock("a", wait=0).acquire).result().release()
    assert left_over() == []


def test_several_names_have_one_fence(bare_redis):
    """The highest, which all of them know, so that it holds for a row that any of them guards."""
    ahead = lock("a").places()[0].keys[2]
    bare_redis.hset(ahead, "last", 2**52)
    bare_redis.expire(ahead, 60)
    with lock(["a", "b"]) as held:
        assert held.fence > 2**52
    with lock("b") as later:
        assert later.fence > held.fence


def test_two_who_want_several(away):
    """In opposite orders, again and again."""

    def visit(names):
        for _ in range(20):
            with lock(names):
                pass

    for one in [away(visit, names) for names in (["a", "b", "c"], ["c", "b", "a"], ["b", "c"], ["a"])]:
        one.result(30)


def test_a_few_at_once(away, left_over):
    """A semaphore lets in so many, and the next ones in their order."""
    thumbs, inside, most, guard = semaphore("thumbs", limit=3), set(), [], threading.Lock()

    def visit(number):
        with thumbs:
            with guard:
                inside.add(number)
                most.append(len(inside))
            time.sleep(0.02)
            with guard:
                inside.discard(number)

    for one in [away(visit, number) for number in range(12)]:
        one.result()
    assert max(most) == 3
    assert left_over() == []


def test_locks_and_semaphores_are_names_apart(away):
    with lock("thumbs"), semaphore("thumbs", limit=1):
        pass


@pytest.mark.parametrize("name", ["{}", "a:b", "sp ace", "ü\n☃", "{user}:1", "*", "x" * 300, "\x00"])
def test_any_name_will_do(name, away):
    with lock(name) as held:
        assert held.name == name
        assert away(lock(name).holders).result()[0].fence == held.fence
        with pytest.raises(LockTimeout):
            away(lock(name, wait=0).acquire).result()


def test_who_holds_it(one_node):
    """In one trip, without touching it."""
    assert lock("orders").holders() == []
    with lock("orders") as held, trace.record() as log:
        (holder,) = lock("orders").holders()
        assert (holder.owner, holder.fence) == (owner(), held.fence)
    assert log.trips == 1


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (lambda: lock(7), TypeError, "named by a text"),
        (lambda: lock(""), ValueError, "not empty"),
        (lambda: lock([]), ValueError, "at least one"),
        (lambda: lock(["a", 7]), TypeError, "named by a text"),
        (lambda: lock("a", ttl=0), ValueError, "ttl is at least 0.01 seconds"),
        (lambda: lock("a", ttl="5"), TypeError, "ttl is a number of seconds"),
        (lambda: lock("a", ttl=float("nan")), ValueError, "ttl is at least"),
        (lambda: lock("a", wait=-1), ValueError, "wait is at least 0"),
        (lambda: lock("a", on_busy="wait"), ValueError, "on_busy is"),
        (lambda: lock("a", nodes=["r1", "r2"]), ValueError, "three or more different aliases"),
        (lambda: lock("a", nodes=["r1", "r2", "r3", "r4"]), ValueError, "an odd number"),
        (lambda: lock("a", nodes=["r1", "r2", "r2"]), ValueError, "different"),
        (lambda: lock(["a", "b"], nodes=["r1", "r2", "r3"]), ValueError, "locks one name"),
        (lambda: semaphore("a", limit=0), ValueError, "limit is how many"),
        (lambda: semaphore("a", limit=True), ValueError, "limit is how many"),
        (lambda: lock("a", connection="nowhere").acquire(), InvalidConfiguration, "nowhere"),
    ],
)
def test_a_mistake_is_named(wrong, error, text):
    with pytest.raises(error, match=text):
        wrong()


def test_on_busy_is_for_decorators():
    with pytest.raises(TypeError, match="on_busy is for the decorator"), lock("a", on_busy="skip"):
        pass


def test_settings_are_read_when_needed(away):
    """Also by a lock that is made when a module is imported."""
    early = lock("orders")
    settings = {"CONNECTIONS": {"default": options_of_default()}, "LOCKS": {"TTL": 0.5, "WAIT": 0}}
    with override_settings(REDIS_PATTERNS=settings), early as held:
        assert held.remaining <= 0.5
        with pytest.raises(LockTimeout):
            away(early.acquire).result()


def options_of_default():
    from django.conf import settings

    return settings.REDIS_PATTERNS["CONNECTIONS"]["default"]


def test_redis_is_away():
    """Within its budget an error that says so: never a lock, and never "busy"."""
    with connected(URL=f"redis://127.0.0.1:{free_port()}/0"):
        for wait in (0, 5, None):
            started = time.monotonic()
            with pytest.raises(LockUnavailable) as caught, lock("orders", wait=wait):
                raise AssertionError("nobody is in")
            assert time.monotonic() - started < options.target("default").budget + 3
            assert isinstance(caught.value, RedisUnavailable)
            assert not isinstance(caught.value, LockTimeout)


def test_redis_goes_away_while_it_is_held(fault_proxy, caplog):
    """The work is done: it is said in the log that the lock will be free later, and the block does not fail."""
    with connected(URL=fault_proxy.url):
        with lock("orders", ttl=30) as held:
            fault_proxy.refuse()
            fault_proxy.reset()
        assert "'orders' could not be released and is given back later" in caplog.text
        assert not held.lost
        fault_proxy.heal()
        until(lambda: not client().exists(lock("orders").places()[0].keys[0]))


def test_an_explicit_release_says_that_redis_is_away(fault_proxy):
    with connected(URL=fault_proxy.url):
        held = lock("orders").acquire()
        fault_proxy.refuse()
        fault_proxy.reset()
        with pytest.raises(LockUnavailable):
            held.release()
        fault_proxy.heal()


async def in_a_coroutine():
    with pytest.raises(SynchronousOnlyOperation, match="await its async twin"), lock("free"):
        pass
    with lock("free", wait=0):
        pass


def test_what_waits_is_refused_in_a_coroutine():
    """Always, not only when there is somebody to wait for."""
    import asyncio

    asyncio.run(in_a_coroutine())


def test_no_key_is_without_a_ttl(bare_redis: redis.Redis, away, queue):
    """Of holders, waiters and fences."""
    with lock("orders", ttl=7200):
        waiting = away(lock("orders", ttl=1).acquire)
        until(lambda: queue(lock("orders")) == 1)
        ttls = {key.rpartition(":")[2]: bare_redis.ttl(key) for key in bare_redis.scan_iter("*")}
        assert 7200 < ttls["holders"] <= 10800
        assert 7200 < ttls["facts"] <= 10800
        assert 0 < ttls["queue"] <= 60
    waiting.result().release()


@pytest.mark.slow
def test_a_long_ttl_harms_no_other_lock():
    """The keeper looks around, whatever it is given to keep."""
    with lock("for ages", ttl=1e9), lock("orders", ttl=1.2) as held:
        time.sleep(2.5)
        held.check()


@pytest.mark.slow
def test_a_thread_that_cannot_start_is_started_later(monkeypatch):
    """For want of threads, or at the end of a process."""
    start, refused = threading.Thread.start, []

    def refuse(thread):
        if thread.name.startswith("redis-locks-") and not refused:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"other": options_of_default()}}):
        with pytest.raises(RuntimeError):
            lock("a", connection="other").acquire()
        with lock("orders", connection="other", ttl=1.2) as held:
            time.sleep(2.5)
            held.check()
    assert refused


def test_a_full_redis_keeps_what_is_held(redis_server):
    """Nobody new comes in; who is in stays, and may leave."""
    with redis_server.client() as admin:
        held = lock("orders", ttl=1.2).acquire()
        admin.config_set("maxmemory", 1)
        try:
            time.sleep(2.5)
            held.check()
            held.release()
        finally:
            admin.config_set("maxmemory", 0)


def test_a_stopped_process_holds_up_nobody_for_each_of_its_waiters(away, bare_redis, monkeypatch, one_node):
    """Once one of them let its time run out, the others of its process wait no longer."""
    ear = bare_redis.pubsub()
    ear.subscribe("stopped")  # is reached, and does nothing
    held, first = lock("orders", wait=0).acquire(), lock("orders").places()[0]
    with monkeypatch.context() as patch:
        patch.setattr("django_redis_patterns.locks.place.channel", lambda: "stopped")
        for _ in range(4):
            come(first, Card.new(30), is_queueing=True)
    waiting = away(lock("orders", wait=None).acquire)
    until(lambda: bare_redis.zcard(first.keys[1]) == 5)
    started = time.monotonic()
    held.release()
    waiting.result().release()
    assert time.monotonic() - started < 6
    ear.close()


def test_released_by_force_in_the_first_moment(away):
    """Before anybody listens: it is found out when one begins to."""
    held = lock("orders", ttl=600).acquire()
    evict(lock("orders").places()[0])
    until(lambda: held.lost, 8)


def test_one_of_several_names_is_lost_while_another_is_waited_for(away, left_over):
    """Then nobody comes in."""
    b = lock("b").acquire()
    waiting = away(lock(["a", "b"], ttl=30).acquire)
    until(lambda: lock("a").holders())
    until(lambda: evict(lock("a").places()[0]))
    taken = lock("a").acquire()
    time.sleep(0.1)
    until(lambda: not any(lease.place.name == "a" and not lease.why_lost for lease in others_of(taken)), 8)
    b.release()
    with pytest.raises(LockLost, match="a, b"):
        waiting.result()
    taken.release()


def others_of(held):
    return [lease for lease in list(living.values()) if lease not in held.quorum.leases]


@pytest.mark.slow
def test_what_is_given_back_does_not_keep_renewals_waiting():
    """However many cancelled tasks there are."""
    place = lock("others").places()[0]
    with lock("orders", ttl=1.2) as held:
        for _ in range(3000):
            keeper("default").give_back(place, Card.new(30))
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            held.check()
            time.sleep(0.05)


def test_a_lock_that_was_released_in_time_was_not_lost():
    held = lock("orders", ttl=0.5).acquire()
    held.release()
    time.sleep(0.5)
    assert not held.lost


def test_two_threads_release_it(away):
    """One of them does, and the other one is told so."""
    for _ in range(50):
        held = lock("orders").acquire()
        errors = [one.exception() for one in [away(held.release) for _ in range(2)]]
        assert sorted(type(error) for error in errors if error) == [LockError]


@pytest.mark.parametrize(
    "error",
    [
        LockTimeout("a", 1.0, "web:1"),
        LockLost("a", "why"),
        LockReentry("a"),
        LockUnavailable("default", "gone", ambiguous=True),
        InvalidConfiguration("no"),
    ],
)
def test_errors_travel(error):
    """From one process to another, as task queues and pools send them."""
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


class Colour(str, Enum):  # noqa: UP042  as models have had them for long
    RED = "red"


def test_odd_names(away):
    """A file's name that is no UTF-8, and a member of an enum that is its text."""
    with lock("\udcff") as held:
        assert [state.name for state in all_states("default")] == [held.name]
    with lock(Colour.RED), pytest.raises(LockTimeout):
        away(lock("red", wait=0).acquire).result()


@pytest.mark.parametrize("option", ["ttl", "wait", "max_hold"])
def test_infinity_is_no_duration(option):
    with pytest.raises(ValueError, match="not for ever"):
        lock("a", **{option: float("inf")})


def test_leases_come_and_go_while_all_are_looked_after(away):
    """By another thread, which listens for the whole process and must not stumble."""
    is_over = threading.Event()

    def come_and_go():
        while not is_over.is_set():
            [Lease(Place("orders", "default"), Card.new(1), 1, ends_at=0) for _ in range(50)]

    many = [Lease(Place("orders", "default"), Card.new(1), 1, ends_at=0) for _ in range(20_000)]
    coming = [away(come_and_go) for _ in range(2)]
    here = Post("default", None)
    try:
        for _ in range(20):
            here.gap("any")
    finally:
        is_over.set()
    [one.result() for one in coming]
    del many
