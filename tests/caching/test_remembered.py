"""What makes a hit short: calls that are remembered, and copies that are read without a lock."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.test import override_settings

from django_redis_patterns.caching import cached, recipe
from django_redis_patterns.caching.copies import Copies
from django_redis_patterns.core import serializers

LIVE = SimpleNamespace(is_live=lambda now: True)
PLAIN = [1, 0, True, False, "1", "", b"1", None, UUID(int=1)]


@pytest.fixture
def f():
    @cached(ttl=60, tags=["a:{a}"])
    def f(a: Any, b: Any = 2) -> Any:
        return a, b

    return f


class TestCalls:
    @pytest.mark.parametrize("plain", PLAIN, ids=repr)
    def test_remembered(self, f, plain):
        assert f.call_of(plain) is f.call_of(plain)
        assert f.call_of(plain, b=plain) is f.call_of(plain, b=plain)

    @pytest.mark.parametrize(
        "other", [1.0, 0.0, (1,), [1], {"a": 1}, frozenset({1}), type("Number", (int,), {})(1)], ids=repr
    )
    def test_not_remembered(self, f, other):
        """What may change, and what is equal to something else of its own type."""
        assert f.call_of(other) is not f.call_of(other)
        assert f.call_of(1, b=other) is not f.call_of(1, b=other)
        assert f.key_for(other) == f.key_for(other)

    def test_what_is_equal_is_not_the_same(self, f):
        """In whatever order they come."""
        every = [*PLAIN, 1.0, 0.0, -0.0, 1 + 0j, (1,), (True,), (1.0,)]
        for draw in range(5):
            several = random.Random(draw).sample(every, len(every))
            assert len({f.key_for(one) for one in several}) == len(every)
            assert len({f.key_for(1, one) for one in several}) == len(every)

    def test_by_place_and_by_name(self, f):
        assert {f.key_for(1, 2), f.key_for(1, b=2), f.key_for(a=1, b=2), f.key_for(b=2, a=1)} == {f.key_for(1)}
        assert f.key_for("a", 1) != f.key_for(1, "a")
        with pytest.raises(TypeError, match="argument"):
            f.call_of(1, 2, 3)

    def test_what_key_looks_at_is_looked_at_each_time(self):
        language = ["en"]

        @cached(ttl=60, key=lambda n: (n, language[0]))
        def page(n: int) -> int:
            return n

        before = page.key_for(1)
        language[0] = "de"
        assert page.key_for(1) != before

    def test_a_default_that_changes(self):
        default: list[int] = []

        @cached(ttl=60)
        def total(n: int, others: list[int] = default) -> int:
            return n

        before = total.key_for(1)
        default.append(1)
        assert total.key_for(1) != before

    def test_functions_and_settings_are_told_apart(self, f):
        @cached(ttl=60)
        def g(a: Any, b: Any = 2) -> Any:
            return a, b

        assert f.key_for(1) != g.key_for(1)
        with override_settings(REDIS_PATTERNS={"PREFIX": "another"}):
            assert f.key_for(1).startswith("another:")
        assert not f.key_for(1).startswith("another:")

    def test_bounded(self, f, monkeypatch):
        """In number, and in bytes."""
        recipe._calls.clear()
        monkeypatch.setattr(recipe, "MOST", 10)
        for n in range(25):
            f.call_of(n)
        assert 0 < len(recipe._calls) <= 10
        assert f.call_of(24) is f.call_of(24)
        assert f.call_of("x" * 10_000) is not f.call_of("x" * 10_000)
        assert f.call_of(10**2000) is not f.call_of(10**2000)

    def test_threads(self, f, monkeypatch):
        """They may forget and remember at the same time."""
        monkeypatch.setattr(recipe, "MOST", 20)

        def ask(seed: int) -> bool:
            draw = random.Random(seed)
            return all(f.call_of(n).args == (n,) for n in (draw.randrange(50) for _ in range(2000)))

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(ask, range(8)))

    def test_values_leave_nothing_behind(self, f):
        """No key is derived for a value, or for a call."""
        kept = serializers._keyed.cache_info().currsize
        for n in range(20):
            f(n)
            f(n)
        assert serializers._keyed.cache_info().currsize <= kept + 1


class TestCopies:
    def keep(self, copies, number, value):
        with copies.filling(f"call {number}", [f"tag {number}"], [LIVE]) as fill:
            fill.offer(value, 60_000)

    def test_what_was_dropped_is_not_found(self):
        """Readers take no lock: what they began to look for after a drop is what was kept after it."""
        copies, floor, began = Copies(), [0] * 4, time.monotonic()
        problems: list[Any] = []
        found: list[int] = []

        def goes_on() -> bool:
            seconds = time.monotonic() - began
            return seconds < 0.25 or (not found and seconds < 20)

        def read(seed: int) -> None:
            draw = random.Random(seed)
            while goes_on():
                n = draw.randrange(4)
                known = floor[n]
                hit = copies.find(f"call {n}")
                if hit is not None:
                    found.append(n)
                    if hit.value < known:
                        problems.append((n, hit.value, known))

        def change(n: int) -> None:
            value = 0
            while goes_on():
                value += 1
                copies.drop([f"call {n}" if value % 2 else f"tag {n}"])
                floor[n] = value
                self.keep(copies, n, value)
                time.sleep(0)  # a thread that is not waited for may hold the others up just before it keeps

        jobs = [(read, seed) for seed in range(4)] + [(change, n) for n in range(4)]
        threads = [threading.Thread(target=job, args=[what]) for job, what in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        assert found
        copies.drop([f"call {n}" for n in range(4)])
        assert (copies._copies, copies._tagged, copies._fills, copies.bytes) == ({}, {}, {}, 0)

    def test_room_is_made_where_nobody_looks(self):
        """A copy that is used stays, however many come."""
        copies = Copies()
        with override_settings(REDIS_PATTERNS={"CACHING": {"NEAR_ENTRIES": 10}}):
            for n in range(100):
                self.keep(copies, n, n)
                assert copies.find("call 0") is not None
        assert len(copies) == 10
