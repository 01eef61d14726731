"""One call of the function in the whole fleet: trips, leases, waiters, leaders that die or fail."""

import asyncio
import time
from contextvars import copy_context

import pytest
from django.test import override_settings

from django_redis_patterns.caching import background, cached, fetch, leases
from django_redis_patterns.caching.leases import give_back
from django_redis_patterns.caching.post import Post
from django_redis_patterns.caching.under_way import within
from django_redis_patterns.conf import settings as our_settings
from django_redis_patterns.core import trace
from django_redis_patterns.core.operations import both
from django_redis_patterns.testing.servers import free_port
from tests.core.desks import connected, until

from .conftest import running


def caching(**options):
    from django.conf import settings

    return override_settings(REDIS_PATTERNS={**settings.REDIS_PATTERNS, "CACHING": options})


def verbs(log):
    """What was sent, without whose it is."""
    return [" ".join(told.command.split()[: 2 if told.command.startswith("EVAL") else 1]) for told in log.commands]


@pytest.fixture
def warm(bare_redis):
    """A server that knows the scripts."""
    f = cached(ttl=60, tags=["warm"])(lambda: 1)
    f()
    f.invalidate()
    f.refresh()
    f.set(1)
    cached(ttl=60, stale=1)(print).peek()
    leases.prolong(f.call_of().place, "nobody")
    background.later(lambda: None)
    bare_redis.flushall()


@pytest.mark.usefixtures("one_node", "warm")
class TestTrips:
    @pytest.mark.parametrize(
        ("options", "hit", "miss"),
        [
            ({}, ["GET"], ["EVALSHA lease.lua"]),
            ({"tags": ["t", "u:{a}"]}, ["MGET"], ["EVALSHA lease.lua", "EVALSHA nonces.lua"]),
            ({"stale": 5}, ["EVALSHA look.lua"], ["EVALSHA lease.lua"]),
            ({"stale": 5, "tags": ["t"]}, ["EVALSHA look.lua"], ["EVALSHA lease.lua", "EVALSHA nonces.lua"]),
        ],
    )
    def test_hit_and_miss(self, make, options, hit, miss):
        """A hit is one trip, with tags too; a miss three; an invalidation one."""
        made = make(**options)
        with trace.record() as log:
            made(1)
        assert (log.trips, verbs(log)) == (3, hit + miss + ["EVALSHA finish.lua", "EVALSHA tally.lua"])
        with trace.record() as log:
            made(1)
        assert (log.trips, verbs(log)) == (1, hit)

    def test_invalidate_refresh_set_peek(self, make):
        made = make()
        for face, trips in [("invalidate", 1), ("refresh", 2), ("peek", 1)]:
            with trace.record() as log:
                getattr(made.f, face)(1)
            assert (face, log.trips) == (face, trips)
        with trace.record() as log:
            made.f.set(7, 1)
        assert log.trips == 1

    def test_many(self, make):
        """Three trips for any number; one when all are there."""
        made = make(tags=["t"])
        for trips in (3, 1):
            with trace.record() as log:
                assert made.f.many([(n,) for n in range(10)]) == list(range(1, 11))
            assert log.trips == trips


class TestHerd:
    def test_one_call_for_all(self, make, away):
        """Those who come meanwhile wait, and are woken by the result."""
        made = make(tags=["t"])
        made.gate.clear()
        asked = [away(made, 1) for _ in range(16)]
        made.until_called(1)
        time.sleep(0.1)
        made.gate.set()
        assert [one.result(10) for one in asked] == [1] * 16
        assert made.made == 1
        stats = made.f.stats()
        assert (stats.calls, stats.waits + stats.hits) == (1, 15)

    def test_they_are_woken_and_do_not_poll(self, make_plain, away, one_node, warm, monkeypatch):
        """Until the result is there a waiter is silent."""
        monkeypatch.setattr(fetch, "HEARTBEAT", 60)
        made = make_plain()
        made.gate.clear()
        first = away(made, 1)
        made.until_called(1)
        asked = away(waiting_trips, made)
        time.sleep(0.4)
        made.gate.set()
        assert first.result(10) == 1
        trips, seconds = asked.result(10)
        assert trips <= 5  # GET, ask, listen and ask again, ask when woken
        assert seconds < 2  # the lease is one of five

    def test_they_are_woken_by_an_invalidation(self, make, away, bare_redis, monkeypatch):
        """Whoever they waited for is not waited for any more."""
        monkeypatch.setattr(fetch, "HEARTBEAT", 60)
        made = make()
        place = made.f.call_of(1).place
        bare_redis.set(place.keys[1], "somebody", px=20_000)
        asked = away(made, 1)
        until(lambda: bare_redis.exists(place.keys[2]))
        made.f.invalidate(1)
        assert asked.result(5) == 1

    def test_they_ask_again_when_something_may_have_been_missed(self):
        here = Post("default", None)
        with here.expecting("a") as one, here.expecting("a") as same, here.expecting("b") as other:
            here.message("channel", b"a")
            assert [bell.wait(0) for bell in (one, same, other)] == [True, True, False]
            here.gap("channel")
            assert [bell.wait(0) for bell in (one, same, other)] == [True] * 3
        assert not here._bells

    def test_who_asks_twice_has_it_once(self, make):
        """As when the first reply was lost."""
        call = make(tags=["t"]).f.call_of(1)
        first = claim_softly(call, "token")
        assert first == claim_softly(call, "token")
        assert isinstance(first, leases.Mine)
        assert isinstance(claim_softly(call, "other"), leases.Busy)

    def test_on_one_loop(self):
        calls = []

        @cached(ttl=60)
        async def f(n):
            calls.append(n)
            await asyncio.sleep(0.1)
            return n

        async def act():
            return await asyncio.gather(*(f(n) for n in [1, 2] * 10))

        assert running(act()) == [1, 2] * 10
        assert sorted(calls) == [1, 2]

    def test_threads_and_loops_wait_for_each_other(self, away):
        """`top(7)` and `await top.aget(7)` are one call."""
        calls = []

        @cached(ttl=60)
        def f(n):
            calls.append(n)
            time.sleep(0.2)
            return n

        asked = [away(f, 1), away(lambda: running(f.aget(1))), away(f, 1), away(lambda: running(f.aget(1)))]
        assert [one.result(10) for one in asked] == [1] * 4
        assert calls == [1]

    def test_a_leader_that_fails(self, make, away):
        """Its error is its own; the next who waits takes over at once."""
        made = make()
        made.error, slow = LookupError(), made.gate
        slow.clear()
        first = away(made, 1)
        made.until_called(1)
        made.error = None
        others = [away(made, 1) for _ in range(5)]
        time.sleep(0.2)
        began = time.monotonic()
        slow.set()
        with pytest.raises(LookupError):
            first.result(10)
        assert [one.result(10) for one in others] == [2] * 5
        assert time.monotonic() - began < our_settings().caching.lease / 2

    def test_a_leader_that_died(self, make, bare_redis):
        """Its lease ends, and the next one takes over."""
        made = make()
        bare_redis.set(made.f.call_of(1).place.keys[1], "the dead", px=300)
        began = time.monotonic()
        assert made(1) == 1
        assert time.monotonic() - began > 0.2

    def test_a_call_that_takes_longer_than_its_lease(self, make, away):
        """It is prolonged as long as its process lives, and stored."""
        with caching(LEASE=0.3):
            made = make()
            made.gate.clear()
            asked = [away(made, 1), away(made, 1)]
            made.until_called(1)
            time.sleep(1)
            made.gate.set()
            assert [one.result(10) for one in asked] == [1, 1]
            assert made(1) == made.made == 1

    def test_somebody_who_hangs_is_not_waited_for(self, make, away):
        """After ``WAIT`` seconds a waiter makes the value for itself."""
        with caching(WAIT=0.3):
            made = make()
            made.gate.clear()
            first = away(made, 1)
            made.until_called(1)
            second = away(made, 1)
            made.until_called(2)
            made.gate.set()
            assert {first.result(10), second.result(10)} == {1, 2}
            assert made(1) == 1

    def test_a_cancelled_leader_gives_its_lease_back(self, bare_redis):
        calls, begun = [], asyncio.Event()

        @cached(ttl=60)
        async def f():
            calls.append(1)
            begun.set()
            await asyncio.sleep(30 if len(calls) == 1 else 0)
            return len(calls)

        async def act():
            task = asyncio.create_task(f())
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        running(act())
        until(lambda: not bare_redis.exists(f.call_of().place.keys[1]), 2)
        assert running(f()) == 2

    def test_a_signal_gives_the_lease_back(self, bare_redis):
        @cached(ttl=60)
        def f():
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            f()
        until(lambda: not bare_redis.exists(f.call_of().place.keys[1]), 2)

    def test_nobody_gives_back_what_is_anothers(self, make, bare_redis):
        place = make().f.call_of(1).place
        bare_redis.set(place.keys[1], "another", px=10_000)
        assert give_back(place, "mine") is False
        assert bare_redis.get(place.keys[1]) == "another"

    def test_many_that_cross_do_not_wait_for_each_other(self, away):
        """Each makes what is its own before it waits for what is the other's."""

        @cached(ttl=60)
        def f(n):
            calls.append(n)
            time.sleep(0.05)
            return n

        calls = []
        for round in range(5):
            numbers = [(10 * round + n,) for n in range(6)]
            one, other = away(f.many, numbers), away(f.many, numbers[::-1])
            assert one.result(10) == other.result(10)[::-1] == [n for (n,) in numbers]
        assert sorted(calls) == sorted({*calls})

    def test_who_asks_for_his_own_result(self):
        """He would wait for himself: he calls it, as without a cache."""
        calls = []

        @cached(ttl=60)
        def f(n, depth=0):
            calls.append(n)
            return n if len(calls) > 3 else f(n)

        @cached(ttl=60)
        async def g(n):
            calls.append(n)
            return n if len(calls) > 3 else await asyncio.create_task(g(n))

        for act in (lambda: f(1), lambda: running(g(1)), lambda: running(f.aget(2)), lambda: f.refresh(3)):
            calls.clear()
            assert within_a_second(act) in (1, 2, 3)
            assert len(calls) == 4

    def test_who_asks_for_his_own_result_while_redis_is_away(self):
        calls = []

        @cached(ttl=60)
        def f(n):
            calls.append(n)
            return n if len(calls) > 3 else f(n)

        with connected(HOST="127.0.0.1", PORT=free_port()):
            assert within_a_second(lambda: f(1)) == 1

    def test_a_call_that_is_forgotten_on_its_way(self):
        """A coroutine that is closed by whoever finds it says nothing."""

        class Forever:
            def __await__(self):
                yield

        async def f():
            await Forever()

        inner = within(frozenset(), f)()
        copy_context().run(inner.send, None)
        inner.close()

    def test_many_that_ask_for_each_other(self, bare_redis):
        """Their results are stored together, at the end."""
        calls = []

        @cached(ttl=60)
        def fib(n):
            calls.append(n)
            return n if n < 2 else fib(n - 1) + fib.many([(n - 2,)])[0]

        assert within_a_second(lambda: fib.many([(n,) for n in range(7)])) == [0, 1, 1, 2, 3, 5, 8]
        calls.clear()
        assert [fib(n) for n in range(7)] == [0, 1, 1, 2, 3, 5, 8]
        assert not calls
        assert not bare_redis.keys("*:lease")

    def test_a_task_that_outlives_the_call_is_none_of_it(self):
        """It waits as everybody does, and stores what it makes."""
        later = []

        @cached(ttl=60)
        async def f(n):
            if not later:
                later.append(asyncio.create_task(after(f, n)))
            return n

        async def after(f, n):
            await asyncio.sleep(0.05)
            await f.ainvalidate(n)
            assert await f(n) == n
            return await f.apeek(n)

        async def act():
            await f(1)
            return await later[0]

        assert running(act()) == 1

    def test_what_is_too_large_is_not_waited_for(self, away):
        """Nobody would find it: the others call at once, and not one after the other."""
        at_once = []

        @cached(ttl=60)
        def f():
            at_once.append(1)
            until(lambda: len(at_once) == 1 or len(at_once) == 8)
            return "x" * 2000

        with caching(MAX_BYTES=1000):
            assert len(f()) == 2000
            asked = [away(f) for _ in range(7)]
            assert {len(one.result(10)) for one in asked} == {2000}

    def test_many_where_one_fails(self, bare_redis):
        """The others are stored; no lease is left."""

        @cached(ttl=60)
        def f(n):
            if n == 2:
                raise LookupError
            return n

        with pytest.raises(LookupError):
            f.many([(1,), (2,), (3,)])
        assert [f.peek(n) for n in (1, 2, 3)] == [1, None, 3]
        assert not bare_redis.keys("*:lease")


async def _claim_softly(io, call, token):
    return await leases.take(io, call, token)


claim_softly, _ = both(_claim_softly)


def waiting_trips(made):
    began = time.monotonic()
    with trace.record() as log:
        made(1)
    return log.trips, time.monotonic() - began - 0.4


def within_a_second(act):
    began = time.monotonic()
    result = act()
    assert time.monotonic() - began < our_settings().caching.lease / 2
    return result


def test_what_was_not_told_yet_is_counted_too():
    @cached(ttl=60)
    def told_nobody():
        pass

    told_nobody.set(1)
    told_nobody()
    assert told_nobody.stats().hits == 1


@pytest.mark.usefixtures("redis_server")
def test_leases_are_prolonged_together(make_plain, away, fault_proxy):
    """However many there are, and however far away Redis is."""
    made = make_plain()
    with connected(URL=fault_proxy.url), caching(LEASE=0.9):
        made.gate.clear()
        asked = [away(made, n) for n in range(20)]
        made.until_called(20)
        fault_proxy.latency = 0.05
        time.sleep(1.5)
        fault_proxy.latency = 0
        made.gate.set()
        assert len({one.result(10) for one in asked}) == 20
        assert made.f.stats().refused == 0


def test_counts_come_along(make_plain, one_node, monkeypatch):
    """Hits are told every ten seconds, in the trip of a hit."""
    from django_redis_patterns.caching import tally

    made = make_plain()
    made(1)
    for _ in range(3):
        made(1)
    tally.begin_anew()
    assert made.f.stats().hits == 0
    monkeypatch.setattr(tally, "EVERY", 0.0)
    made(1)
    with trace.record() as log:
        made(1)
    assert (log.trips, verbs(log)) == (1, ["GET", "EVALSHA tally.lua"])
    tally.begin_anew()
    assert made.f.stats().hits == 1
