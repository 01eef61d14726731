"""Copies in the process: no trip, and gone wherever a change is made."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction
from django.test import override_settings

from django_redis_patterns.caching import cached, invalidate_tags, near, place
from django_redis_patterns.caching.copies import Copies, Copy, clock
from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import client
from django_redis_patterns.testing.servers import RedisServer, free_port
from tests.core.desks import calls, connected, cut, until

from .conftest import running

LIVE = SimpleNamespace(is_live=lambda now: True)


def is_listening():
    links = near.near("default").links.values()
    return links and all(link.is_live(clock()) for link in links)


def settle(made, *args):
    """Call until a copy is kept."""

    def is_kept():
        made(*args)
        return made.f.call_of(*args).place.near_name in near.near("default").copies._copies

    until(is_kept)


def until_a_beat_is_heard():
    (link,) = near.near("default").links.values()
    began = clock()
    until(lambda: link._heard > began)


@pytest.fixture
def somebody_else(monkeypatch):
    """What is done inside of this is done by another process: its copies are not ours."""

    def act(do):
        kept, nears = place._process, near._near
        place._process, near._near = "another process", {}
        try:
            return do()
        finally:
            place._process, near._near = kept, nears

    return act


class Picky(Exception):
    def __init__(self, a, b):
        super().__init__(a)
        self.a = a


def picky():
    return Picky(1, 2)


def trips(act):
    with trace.record() as log:
        act()
    return log.trips


class TestCopies:
    def test_no_trip(self, make, one_node):
        made = make(near=True, tags=["t"])
        settle(made, 1)
        assert trips(lambda: [made(1) for _ in range(5)]) == 0
        assert made.made == 1

    def test_who_makes_a_value_has_its_copy(self, make, one_node):
        """At once, and still when what it has told the others comes back to it."""
        made = make(near=True)
        settle(made, 1)
        made(2)
        assert trips(lambda: made(2)) == 0
        until_a_beat_is_heard()
        assert trips(lambda: made(2)) == 0

    def test_nobody_gets_the_object_of_another(self):
        f = cached(ttl=60, near=True)(lambda: [1])
        until(lambda: f() and len(near.near("default").copies))
        f().append(2)
        assert f() == [1]

    WAYS = {
        "arguments": lambda f: f.invalidate(1),
        "async": lambda f: running(f.ainvalidate(1)),
        "tag": lambda f: invalidate_tags("n:1"),
        "set": lambda f: f.set(70, 1),
        "refresh": lambda f: f.refresh(1),
        "through": lambda f: f.write_through("a")(lambda a: 90)(1),
    }

    @pytest.mark.parametrize("way", WAYS)
    def test_ones_own_changes_are_seen_at_once(self, make_plain, way):
        made = make_plain(near=True, tags=["n:{a}"])
        settle(made, 1)
        self.WAYS[way](made.f)
        assert made(1) != 1
        assert made(1) == made(1)

    @pytest.mark.parametrize("way", WAYS)
    def test_others_changes_are_heard(self, make_plain, way, somebody_else):
        made = make_plain(near=True, tags=["n:{a}"])
        settle(made, 1)
        settle(made, 2)
        somebody_else(lambda: self.WAYS[way](made.f))
        until(lambda: made(1) != 1, near.BOUND)
        assert made(1) == made(1)
        assert made(2) == 2

    def test_what_is_refreshed_behind_is_heard(self, make_plain, somebody_else, bare_redis):
        """A value that replaces another drops the copies of it."""
        made = make_plain(near=True, ttl=30, stale=30)
        settle(made, 1)
        call = made.f.call_of(1)
        head = client().get(call.place.keys[0])[:9]
        from django_redis_patterns.caching.fetch import refresh_stale

        somebody_else(lambda: refresh_stale(call, head))
        until(lambda: made(1) == 2, near.BOUND)

    def test_a_copy_lives_as_long_as_the_value(self, make_plain):
        made = make_plain(near=True, ttl=0.5)
        settle(made, 1)
        was = made.made
        until(lambda: made(1) > was, 2)

    def test_a_copy_is_fresh_or_none(self, make_plain, bare_redis):
        """What is served while it is stale is not kept."""
        made = make_plain(near=True, ttl=10, stale=20)
        settle(made, 1)
        made.gate.clear()
        near.near("default").copies.clear()
        bare_redis.pexpire(made.f.key_for(1), 15_000)
        assert made(1) == 1
        assert len(near.near("default").copies) == 0
        made.gate.set()

    def test_what_cannot_be_made_again_is_no_copy(self):
        """Some classes can be pickled, and not unpickled."""
        f = cached(ttl=60, near=True)(picky)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            assert f().a == 1
        copies = Copies()
        TestBounds().keep(copies, "a", Picky(1, 2), ["t"])
        assert copies.find("a") is None
        assert (len(copies), copies.bytes, copies._tagged) == (0, 0, {})

    def test_many_threads_and_loops_share(self, make, away):
        made = make(near=True)
        settle(made, 1)
        with trace.record() as log:
            assert {one.result() for one in [away(made, 1) for _ in range(20)]} == {1}
        assert log.trips == 0

    @pytest.mark.django_db(transaction=True)
    def test_a_transaction_with_changes_has_no_copies(self, make_plain):
        made = make_plain(near=True, tags=["t"])
        settle(made, 1)
        with transaction.atomic():
            invalidate_tags("t")
            assert made(1) == made.made == 2

    def test_a_loop_is_not_blocked(self, make_plain):
        """Not now and then only: a copy is refused there, too."""
        made = make_plain(near=True)
        settle(made, 1)

        async def act():
            made(1)

        with pytest.raises(SynchronousOnlyOperation):
            asyncio.run(act())

    def test_redis_away(self, make_plain):
        with connected(HOST="127.0.0.1", PORT=free_port()):
            made = make_plain(near=True)
            assert [made(1), made(1)] == [1, 2]


class TestFills:
    """A value that is on its way when it is dropped does not arrive."""

    def offered(self, copies, drop, but=None):
        with copies.filling("call f", ["tag t"], [LIVE]) as fill:
            drop(fill)
            fill.offer(7, 60_000)
        return copies.find("call f") is not None

    def test_spoilt(self):
        assert self.offered(Copies(), lambda fill: None)
        assert self.offered(Copies(), lambda fill: fill.copies.drop(["tag other", "call g"]))
        assert self.offered(Copies(), lambda fill: fill.copies.drop(["call f"], but=fill))
        for name in ("call f", "tag t"):
            assert not self.offered(Copies(), lambda fill, name=name: fill.copies.drop([name]))
        assert not self.offered(Copies(), lambda fill: fill.copies.clear())

    def test_nothing_is_left(self):
        copies = Copies()
        self.offered(copies, lambda fill: None)
        copies.drop(["tag t"])
        assert (copies._copies, copies._tagged, copies._fills, copies.bytes) == ({}, {}, {}, 0)

    def test_a_reading_that_was_overtaken(self, make_plain, away, somebody_else):
        """It read before the change, and comes home after hearing of it."""
        made = make_plain(near=True)
        settle(made, 1)
        made.f.invalidate(1)
        made.gate.clear()
        slow = away(made, 1)
        made.until_called(2)
        somebody_else(lambda: made.f.invalidate(1))
        made.gate.set()
        assert slow.result(10) == 2
        assert made(1) == 3


class TestBounds:
    def keep(self, copies, name, value=b"", tags=()):
        with copies.filling(name, tags, [LIVE]) as fill:
            fill.offer(value, 60_000)

    def test_entries(self):
        """One that was used since it was last looked at stays."""
        copies = Copies()
        with override_settings(REDIS_PATTERNS={"CACHING": {"NEAR_ENTRIES": 3}}):
            for name in "abc":
                self.keep(copies, name)
            copies.find("a")
            self.keep(copies, "d")
        assert set(copies._copies) == {"c", "a", "d"}

    def test_bytes(self):
        copies = Copies()
        with override_settings(REDIS_PATTERNS={"CACHING": {"NEAR_BYTES": 10_000}}):
            for name in "abcdef":
                self.keep(copies, name, b"x" * 3000, ["t"])
            assert list(copies._copies) == ["e", "f"]
            self.keep(copies, "number", 10**8000)
            assert list(copies._copies) == ["f", "number"]
            self.keep(copies, "tagged", b"", [f"t{n}" for n in range(15)])
            assert list(copies._copies) == ["tagged"]
            self.keep(copies, "big", b"x" * 20_000)
            assert len(copies) == copies.bytes == 0
            assert not copies._tagged

    def test_two_hundred_changes_with_ten_thousand_copies(self, make_plain, somebody_else, one_node):
        """Each costs what it costs without copies: one command, and one look into a dict."""
        made = make_plain(near=True, tags=["n:{a}"])
        settle(made, "first")
        copies = near.near("default").copies
        link = next(iter(near.near("default").links.values()))
        for n in range(9_999):
            call = made.f.call_of(n)
            with copies.filling(call.place.near_name, [tag.near_name for tag in call.tags], [link]) as fill:
                fill.offer(n, 60_000)
        assert len(copies) == 10_000
        looked = []
        remove = copies._remove
        copies._remove = lambda name: (looked.append(name), remove(name))
        with trace.record() as log:
            somebody_else(lambda: [made.f.invalidate(n) for n in range(100)])
            somebody_else(lambda: [invalidate_tags(f"n:{n}") for n in range(100, 200)])
        assert (log.trips, len(log.commands)) == (200, 200)
        until(lambda: len(copies) <= 9_800)
        assert len(copies) == 9_800
        assert len(looked) == 300  # by its tag each is looked for twice


class TestLink:
    def test_a_link_that_is_cut(self, make_plain, bare_redis, somebody_else, redis_server, one_node):
        """Copies are dropped; what was said in the gap is not missed."""
        made = make_plain(near=True)
        settle(made, 1)
        with redis_server.client() as admin:
            cut(admin)
            somebody_else(lambda: made.f.invalidate(1))
        until(lambda: made(1) == 2, near.BOUND)
        settle(made, 1)
        assert trips(lambda: made(1)) == 0

    def test_a_link_that_is_silent(self, make_plain, fault_proxy, redis_server, one_node):
        """Nothing arrives and nothing breaks: after a second no copy is used any more."""
        made = make_plain(near=True)
        with connected(URL=fault_proxy.url, TIMEOUT=0.25, CONNECT_TIMEOUT=0.2):
            settle(made, 1)
            fault_proxy.black_hole()
            began = clock()
            until(lambda: made(1) != 1, 10)
            assert clock() - began < near.BOUND + 2
            assert len(near.near("default").copies) == 0
            fault_proxy.heal()
            until(lambda: near.near("default").links and is_listening())

    def test_a_beat_says_when_it_left(self):
        """Not when it arrived: what comes late has been said long ago."""
        link = near.Link("default", None, "k", Copies())
        link._settled(near.near_channel(), None)
        link.message(link.beat_channel, f"1 {clock() - 0.9!r}".encode())
        assert link.is_live(clock())
        assert not link.is_live(clock() + 0.2)
        link.message(link.beat_channel, f"1 {clock() - 5!r}".encode())  # an older one changes nothing
        assert link.is_live(clock())
        link.gap("any")
        assert not link.is_live(clock())

    def test_a_database_that_is_emptied(self, make_plain, bare_redis, one_node):
        """Nobody says so, and a beat finds it out."""
        made = make_plain(near=True, tags=["t"])
        settle(made, 1)
        bare_redis.flushdb()
        until(lambda: made(1) == 2, near.BOUND)
        settle(made, 1)
        assert trips(lambda: made(1)) == 0

    def test_an_invalidation_in_an_emptied_database(self, make_plain, bare_redis, one_node):
        """The copies that were kept meanwhile are dropped with the others."""
        copies = Copies()
        TestBounds().keep(copies, "a")
        link = near.Link("default", None, "k", copies)
        link._settled(near.near_channel(), None)
        link.message(link.beat_channel, f"1 {clock()!r}".encode())
        assert len(copies) == 1
        with copies.filling("b", [], [link]) as fill:
            link.message(link.beat_channel, f"0 {clock()!r}".encode())
            fill.offer(1, 60_000)
        assert (len(copies), link.is_live(clock())) == (0, True)

    def test_a_full_redis_is_heard(self, make_plain):
        """Copies are used on when nothing can be stored any more."""
        with RedisServer(options=["--maxmemory-policy", "noeviction"]) as server, connected(URL=server.url):
            made = make_plain(near=True)
            settle(made, 1)
            with server.client() as admin:
                admin.config_set("maxmemory", 1)
                until_a_beat_is_heard()
                until_a_beat_is_heard()
                assert trips(lambda: made(1)) == 0

    def test_a_gap(self):
        """What was missed is not known: nothing is left, and nothing that is on its way arrives."""
        copies = Copies()
        TestBounds().keep(copies, "a")
        link = near.Link("default", None, "k", copies)
        with copies.filling("b", [], [LIVE]) as fill:
            link.gap("any")
            fill.offer(1, 60_000)
        assert len(copies) == 0

    def test_beats_before_it_listens_prove_nothing(self):
        link = near.Link("default", None, "k", Copies())
        link.message(link.beat_channel, f"1 {clock()!r}".encode())
        assert not link.is_live(clock())

    def test_who_may_not_listen_has_no_copies(self, make_plain, caplog):
        made = make_plain(near=True)
        link = near.Link("default", None, "k", Copies())
        link._settled(near.near_channel(), PermissionError("no"))
        assert "no copies are kept" in caplog.text
        assert not link.is_live(clock())
        assert made(1) == made(1) == 1

    def test_beats_end_when_nobody_uses_copies(self, make_plain, monkeypatch):
        monkeypatch.setattr(near, "LINGER", 0.3)
        settle(make_plain(near=True), 1)
        thread = near._beating._thread
        until(lambda: near._beating._thread is None, 5)
        assert thread is not None
        settle(make_plain(near=True), 2)

    def test_a_quiet_process_sends_four_beats_a_second(self, make_plain, redis_server, one_node):
        settle(make_plain(near=True), 1)
        with redis_server.client() as admin:
            before = calls(admin).get("evalsha", 0)
            time.sleep(1)
            assert calls(admin)["evalsha"] - before <= 6

    def test_a_copy_whose_link_is_dead_is_dropped(self):
        copies, source = Copies(), SimpleNamespace(is_live=lambda now: source.alive)
        source.alive = True
        copies.keep(SimpleNamespace(is_spoilt=False, name="a"), Copy(1, None, clock() + 60, (), [source]))
        assert copies.find("a") is not None
        source.alive = False
        assert copies.find("a") is None
        source.alive = True
        assert copies.find("a") is None


def test_async_hits(one_node):
    @cached(ttl=60, near=True)
    async def f(n):
        return n

    async def act():
        end = time.monotonic() + 10
        while not len(near.near("default").copies) and time.monotonic() < end:
            await f(1)
            await asyncio.sleep(0.02)
        with trace.record() as log:
            assert await asyncio.gather(*(f(1) for _ in range(10))) == [1] * 10
        assert log.trips == 0

    running(act())
