"""What the tests of other limiters ask of them, asked of ours: django-ratelimit 4.1, limits 5.8, pyrate-limiter 4.5."""

import threading
import time
from typing import Any

import pytest
import redis

from django_redis_patterns.ratelimit import Limiter, denials
from django_redis_patterns.ratelimit.evaluate import Charge, evaluate
from django_redis_patterns.ratelimit.rules import ALGORITHMS

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


@pytest.fixture(autouse=True)
def nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is Redis that is asked."""
    monkeypatch.setattr(denials, "LONGEST", 0.0)


def together(count: int, act: Any) -> list[Any]:
    """Return what *count* threads get that begin at once."""
    gate, got = threading.Barrier(count), []

    def run() -> None:
        gate.wait()
        got.append(act())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


@every_algorithm
def test_a_hundred_threads_and_exactly_five(algorithm: Any) -> None:
    """limits, integration/test_concurrency.py."""
    limiter = Limiter("api", "5/d", algorithm=algorithm)
    assert sorted(map(bool, together(100, lambda: limiter.hit("ann")))) == [False] * 95 + [True] * 5


@every_algorithm
def test_separate_clients_hold_one_limit(algorithm: Any) -> None:
    """pyrate-limiter, test_gcra.py::holds_the_limit_across_separate_clients: a limiter is made anew at each call."""
    admitted = together(16, lambda: [bool(Limiter("api", "7/d", algorithm=algorithm).hit("ann")) for _ in range(5)])
    assert sum(map(sum, admitted)) == 7


def test_a_full_burst_admits_exactly_the_burst() -> None:
    """pyrate-limiter: also for rates whose emission interval is no whole number of anything."""
    for limit, period in ((3, "7s"), (7, "m"), (11, "13s"), (700_001, "w"), (999, "h")):
        for burst in (1, 2, 13):
            limiter = Limiter("b", f"{limit}/{period}", algorithm="bucket", burst=burst)
            spent = limiter.hit(f"{limit}-{burst}", burst)
            assert spent
            assert not limiter.hit(f"{limit}-{burst}", burst)
            assert spent.remaining == 0


@every_algorithm
def test_several_rates_are_all_or_nothing(algorithm: Any) -> None:
    """pyrate-limiter, multi_rate_commit_is_all_or_nothing."""
    limiter = Limiter("api", "3/h", "5/d", "100/w", algorithm=algorithm)
    for _ in range(10):
        limiter.hit("ann")
    assert [quota.remaining for quota in limiter.peek("ann").quotas] == [0, 2, 97]


@every_algorithm
def test_cleared_counters_start_afresh(algorithm: Any) -> None:
    """limits, test_strategy.py: clear, and only of that identity."""
    limiter = Limiter("api", "2/d", algorithm=algorithm)
    assert limiter.hit("ann", 2)
    assert limiter.hit("bob", 2)
    limiter.reset("ann")
    limiter.reset("nobody")
    assert limiter.peek("ann").remaining == 2
    assert limiter.peek("bob").remaining == 0


@every_algorithm
def test_multiple_costs(algorithm: Any) -> None:
    """limits, test_strategy.py::..._multiple_cost: 11 is refused whole, 5 and 6 are taken, 1 is too much."""
    limiter = Limiter("api", "10/d", algorithm=algorithm)
    assert not limiter.peek("ann", 11)
    assert not limiter.hit("ann", 11)
    assert limiter.hit("ann", 5)
    assert limiter.peek("ann", 5)
    assert not limiter.peek("ann", 6)
    assert limiter.hit("ann", 5)
    assert not limiter.hit("ann")


def test_a_moving_window_moves() -> None:
    """limits, test_moving_window: what was early frees early, not all at once."""
    limiter = Limiter("api", "4/2s", algorithm="log")
    for pause in (0.0, 0.5):
        time.sleep(pause)
        assert limiter.hit("ann", 2)
    denied = limiter.hit("ann")
    assert not denied
    time.sleep(denied.retry_after)
    assert limiter.hit("ann", 2)
    assert not limiter.hit("ann")


def test_a_fixed_window_begins_again() -> None:
    """limits, test_fixed_window: all of it is free at the turn."""
    limiter = Limiter("api", "3/s", algorithm="fixed")
    while not (decision := limiter.hit("ann", 3)):
        time.sleep(0.01)
    time.sleep(decision.reset_after)
    assert limiter.hit("ann", 3)


def test_a_changed_rate_starts_afresh() -> None:
    """DRF, rate change; django-ratelimit and the key without its rate."""
    assert Limiter("api", "1/d").hit("ann")
    assert not Limiter("api", "1/d").hit("ann")
    assert Limiter("api", "2/d").hit("ann")


def test_names_do_not_run_into_each_other() -> None:
    """django-ratelimit: group `api` with 110/m and group `api1` with 10/m had one key."""
    assert Limiter("api", "110/m").hit("ann", 110)
    assert Limiter("api1", "10/m").hit("ann", 10)


def test_hits_of_the_same_moment_all_count(bare_redis: redis.Redis) -> None:
    """A member that is a time overwrites its like: a pipeline has many hits in one millisecond."""
    limiter = Limiter("api", "50/d", algorithm="log")
    evaluate([Charge(limiter.declared, "ann") for _ in range(20)])
    together(30, lambda: limiter.hit("ann"))
    assert not limiter.hit("ann")
    assert [bare_redis.llen(key) for key in bare_redis.scan_iter("*:ratelimit:*")] == [50]


def test_who_keeps_trying_comes_back() -> None:
    """django-smart-ratelimit counted denied hits: a client that tried on was locked out for ever."""
    limiter = Limiter("api", "2/s", algorithm="log")
    end = time.monotonic() + 1.6
    admitted = 0
    while time.monotonic() < end:
        admitted += bool(limiter.hit("ann"))
    assert 3 <= admitted <= 4


def test_a_limit_of_one_admits_one() -> None:
    """upstash/ratelimit-js#39: a sliding window with limit 1 never did, by rounding."""
    for algorithm in ALGORITHMS:
        limiter = Limiter("one", "1/d", algorithm=algorithm)
        assert [bool(limiter.hit("ann")) for _ in range(3)] == [True, False, False]


def test_a_small_burst_is_a_limit() -> None:
    """throttled-py: a burst below half of the rate had a TTL of 0, and so no limit at all."""
    limiter = Limiter("burst", "2000/s", algorithm="bucket", burst=40)
    started = time.monotonic()
    admitted = sum(bool(limiter.hit("ann", 20)) for _ in range(200)) * 20
    assert admitted <= 40 + 2000 * (time.monotonic() - started)
