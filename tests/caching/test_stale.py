"""Old values: served while they are made anew, or when that fails."""

import asyncio
import threading
import time

import pytest
from django.db import connections

from django_redis_patterns.caching import background, cached, fetch, making
from django_redis_patterns.caching.tally import tally
from django_redis_patterns.core import trace
from tests.core.desks import until

from .conftest import running


def age(made, bare_redis, by, *args):
    """Let the value of a call be *by* seconds older."""
    key = made.f.key_for(*args)
    assert bare_redis.pexpire(key, bare_redis.pttl(key) - round(by * 1000))


class TestStale:
    def test_it_is_served_while_one_makes_it_anew(self, make_plain, bare_redis, away):
        """Nobody waits, and the function is called once."""
        made = make_plain(ttl=10, stale=20, tags=["t"])
        made(1)
        age(made, bare_redis, 11, 1)
        made.gate.clear()
        assert [away(made, 1).result(5) for _ in range(8)] == [1] * 8
        made.until_called(2)
        made.gate.set()
        until(lambda: made.f.peek(1) == 2)
        assert (made(1), made.made) == (2, 2)
        assert made.f.stats().stale == 8

    def test_on_a_loop_a_task_makes_it_anew(self, bare_redis):
        calls = []

        @cached(ttl=10, stale=20)
        async def f():
            calls.append(asyncio.get_running_loop())
            return len(calls)

        async def act():
            assert await f() == 1
            bare_redis.pexpire(f.key_for(), 15_000)
            assert await f() == 1
            end = time.monotonic() + 5
            while await f.apeek() != 2 and time.monotonic() < end:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert calls[0] is calls[1]

        running(act())

    def test_without_a_loop_a_thread_calls_the_coroutine_function(self, bare_redis):
        f = cached(ttl=10, stale=20)(_one)
        assert f.get() == 1
        bare_redis.pexpire(f.key_for(), 15_000)
        f.get()
        until(lambda: bare_redis.pttl(f.key_for()) > 25_000)

    def test_after_that_it_is_a_miss(self, make, bare_redis):
        made = make(ttl=10, stale=20)
        made(1)
        age(made, bare_redis, 29.99, 1)
        until(lambda: not bare_redis.exists(made.f.key_for(1)))
        assert made(1) == 2

    def test_a_hit_on_a_stale_value_is_one_trip(self, make_plain, bare_redis, one_node):
        made = make_plain(ttl=10, stale=20)
        made(1)
        age(made, bare_redis, 11, 1)
        with trace.record() as log:
            made(1)
        assert log.trips == 1

    def test_a_look_makes_nothing(self, make_plain, bare_redis):
        """`peek` returns what would be served, and has nobody called."""
        made = make_plain(ttl=10, stale=20, stale_if_error=100)
        made(1)
        age(made, bare_redis, 11, 1)
        assert made.f.peek(1) == 1
        age(made, bare_redis, 20, 1)
        assert made.f.peek(1) is None
        assert (background._working, made.made) == (0, 1)

    def test_no_second_call_while_somebody_is_at_it(self, make_plain, bare_redis):
        """Also in another process: the lease decides."""
        made = make_plain(ttl=10, stale=20)
        made(1)
        age(made, bare_redis, 11, 1)
        bare_redis.set(made.f.call_of(1).place.keys[1], "another process", px=10_000)
        made(1)
        until(lambda: not tally("none").own() and made.made == 1)
        time.sleep(0.1)
        assert made.made == 1

    def test_asked_for_once_a_second(self, make_plain, bare_redis, monkeypatch):
        asked = []
        monkeypatch.setattr(fetch, "later", asked.append)
        made = make_plain(ttl=10, stale=20)
        made(1), made(2)
        age(made, bare_redis, 11, 1)
        age(made, bare_redis, 11, 2)
        for _ in range(5):
            made(1), made(2)
        assert len(asked) == 2
        fetch._asked._until.clear()
        made(1), made(1)
        assert len(asked) == 3

    def test_its_thread_leaves_no_database_connection_open(self):
        closed = []

        def job():
            connections["other"].close = lambda: closed.append(1)
            raise LookupError  # also then

        background.later(job)
        until(lambda: closed)

    def test_what_waits_for_a_thread_has_a_bound(self, monkeypatch):
        monkeypatch.setattr(background, "MOST", 5)
        gate, done = threading.Event(), []
        for _ in range(20):
            background.later(lambda: done.append(gate.wait(10)))
        gate.set()
        until(lambda: not background._working)
        assert 5 <= len(done) <= 5 + background.WORKERS

    def test_nor_after_somebody_has_made_it(self, make_plain, bare_redis):
        """Who asks late for the lease finds another value than the one it saw."""
        made = make_plain(ttl=10, stale=20)
        made(1)
        call = made.f.call_of(1)
        fetch.refresh_stale(call, b"1another.")
        assert made.made == 1

    def test_an_invalidation_beats_the_refresh(self, make_plain, bare_redis):
        made = make_plain(ttl=10, stale=20)
        made(1)
        age(made, bare_redis, 11, 1)
        made.gate.clear()
        made(1)
        made.until_called(2)
        made.f.invalidate(1)
        made.gate.set()
        until(lambda: made.f.stats().refused == 1)
        assert made(1) == 3

    def test_what_was_invalidated_is_not_stale_but_gone(self, make, bare_redis):
        made = make(ttl=10, stale=20, tags=["t"])
        made(1)
        made.f.invalidate(1)
        assert made(1) == 2
        bare_redis.delete(made.f.call_of(1).tags[0].key)
        assert made(1) == 3

    def test_a_refresh_that_fails_is_logged(self, make_plain, bare_redis, caplog):
        made = make_plain(ttl=10, stale=20)
        made(1)
        age(made, bare_redis, 11, 1)
        made.error = LookupError("no")
        assert made(1) == 1
        until(lambda: "LookupError" in caplog.text)


async def _one():
    return 1


class TestStaleIfError:
    def test_an_old_value_instead_of_an_error(self, make, bare_redis, caplog):
        made = make(ttl=10, stale_if_error=100)
        made(1)
        age(made, bare_redis, 11, 1)
        made.error = LookupError("no")
        assert made(1) == 1
        assert made.made == 2
        assert "LookupError" in caplog.text
        assert made.f.stats().rescued == 1

    def test_not_asked_again_at_once(self, make, bare_redis):
        """A second between two attempts of a process: who comes meanwhile does not wait for another failure."""
        made = make(ttl=10, stale_if_error=100)
        made(1)
        age(made, bare_redis, 11, 1)
        made.error = LookupError("no")
        assert [made(1) for _ in range(5)] == [1] * 5
        assert made.made == 2
        making._failed._until.clear()
        made.error = None
        assert made(1) == made(1) == 3

    def test_those_who_wait_have_it_too(self, make, bare_redis, away):
        made = make(ttl=10, stale_if_error=100)
        made(1)
        age(made, bare_redis, 11, 1)
        made.error = LookupError("no")
        made.gate.clear()
        asked = [away(made, 1) for _ in range(6)]
        made.until_called(2)
        time.sleep(0.1)
        made.gate.set()
        assert [one.result(10) for one in asked] == [1] * 6
        assert made.made == 2
        until(lambda: not bare_redis.exists(made.f.call_of(1).place.keys[1]), 2)

    def test_it_costs_one_trip_and_no_lease(self, make_plain, bare_redis, one_node):
        made = make_plain(ttl=10, stale_if_error=100)
        made(1)
        age(made, bare_redis, 11, 1)
        made.error = LookupError("no")
        made(1)
        with trace.record() as log:
            made(1)
        assert log.trips == 1
        assert not bare_redis.keys("*:lease")

    def test_not_what_was_invalidated(self, make, bare_redis):
        made = make(ttl=10, stale_if_error=100, tags=["t"])
        made(1)
        made.error = LookupError("no")
        bare_redis.delete(made.f.call_of(1).tags[0].key)
        with pytest.raises(LookupError):
            made(1)

    def test_too_old(self, make, bare_redis):
        """`stale` and `stale_if_error` have ends of their own."""
        made = make(ttl=10, stale=100, stale_if_error=5)
        made(1)
        age(made, bare_redis, 12, 1)
        assert made(1) == 1
        made = make(ttl=10, stale=5, stale_if_error=100)
        made(2)
        age(made, bare_redis, 16, 2)
        made.error = LookupError("no")
        assert made(2) == 1
        assert made.made == 2
