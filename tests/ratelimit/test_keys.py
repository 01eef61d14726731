"""What is left in Redis: every key goes by itself, and no flood makes one grow."""

import random
from typing import Any

import pytest
import redis

from django_redis_patterns.ratelimit import Limiter, Rate, denials
from django_redis_patterns.ratelimit.rules import ALGORITHMS
from tests.ratelimit.clocked import Clocked

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)
#: Bytes that the state of one rate may take for one identity, at most, beyond what a log keeps for each unit.
ROOM = {"sliding": 600, "fixed": 250, "bucket": 250, "log": 400}
PER_ENTRY = 12


@pytest.fixture
def nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denials, "LONGEST", 0.0)


def keys(client: redis.Redis) -> list[Any]:
    return list(client.scan_iter("*:ratelimit:*"))


@every_algorithm
@pytest.mark.parametrize("rates", [["7/s"], ["7/3s", "50/m", "300/d", "1/366d"], ["1000000000/366d"]], ids=str)
def test_every_key_has_a_ttl_at_every_moment(algorithm: Any, rates: list[str], bare_redis: redis.Redis) -> None:
    """After each step of a random life: hits, denials, refunds, resets."""
    if algorithm in ("log", "bucket"):
        rates = [rate for rate in rates if "1000000000" not in rate] or ["5000/366d"]
    limiter, chance, taken = Limiter("api", *rates, algorithm=algorithm), random.Random(7), []
    longest = max(rate.period for rate in limiter.declared.rates)
    for _ in range(60):
        act = chance.choice(["hit", "hit", "hit", "hit", "peek", "refund", "reset"])
        if act == "hit":
            taken.append(limiter.hit("ann", chance.choice([1, 1, 2, 5])))
        elif act == "refund" and taken:
            limiter.refund(taken.pop(chance.randrange(len(taken))))
        elif act == "peek":
            limiter.peek("ann")
        elif chance.random() < 0.2:
            limiter.reset("ann")
        ttls = [bare_redis.pttl(key) for key in keys(bare_redis)]
        assert all(0 < ttl <= longest * 1000 * 61 / 60 + 1 or ttl == -2 for ttl in ttls)


@every_algorithm
@pytest.mark.parametrize("act", ["hit", "refund"])
def test_a_key_is_gone_when_it_counts_no_more(algorithm: Any, act: str, bare_redis: redis.Redis) -> None:
    """Its TTL is what the decision told, give or take what a window rounds up."""
    limiter = Limiter("api", "10/h", algorithm=algorithm)
    decision = limiter.hit("ann", 5)
    first = bare_redis.pttl(keys(bare_redis)[0]) / 1000
    assert decision.reset_after - 1 <= first <= (3600 if algorithm == "fixed" else decision.reset_after + 61)
    if act == "refund":
        limiter.hit("ann")
        limiter.refund(decision)
        assert all(0 < bare_redis.pttl(key) <= 3_660_000 for key in keys(bare_redis))


def test_what_drains_within_a_millisecond_has_a_ttl_too(bare_redis: redis.Redis) -> None:
    """Redis knows no shorter one, and takes 0 for an error."""
    limiter = Limiter("api", "1000000/s", algorithm="bucket")
    assert limiter.hit("ann")
    limiter.refund(limiter.hit("ann", 5000))
    assert all(bare_redis.pttl(key) in range(-2, 7) and bare_redis.pttl(key) != -1 for key in keys(bare_redis))


@every_algorithm
def test_a_flood_does_not_grow_a_key(algorithm: Any, bare_redis: redis.Redis, nothing_is_remembered: None) -> None:
    """Neither what is admitted nor what is denied takes more room than the limit says."""
    limiter = Limiter("api", "100/2s", algorithm=algorithm)
    most = 0
    for _ in range(2500):
        limiter.hit("ann")
        most = max([most, *(bare_redis.memory_usage(key) or 0 for key in keys(bare_redis)[:1])])
    assert most <= ROOM[algorithm] + (100 * PER_ENTRY if algorithm == "log" else 0)
    assert len(keys(bare_redis)) == 1


@every_algorithm
def test_windows_that_follow_each_other_do_not_add_up(
    algorithm: str, redis_server: object, bare_redis: redis.Redis
) -> None:
    """A client that uses all of its limit for a day takes what it took in the first minute."""
    rate, clocked = Rate.parse("50/m"), Clocked(bare_redis)
    for number in range(2000):
        clocked.hit(1_800_000_000_000_000 + number * 1_000_000, "ann", rate, algorithm)
    clocked.told()
    (key,) = keys(bare_redis)
    assert (bare_redis.memory_usage(key) or 0) <= ROOM[algorithm] + (50 * PER_ENTRY if algorithm == "log" else 0)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["sliding", "log"])
def test_a_great_flood_does_not_grow_a_key(
    algorithm: Any, bare_redis: redis.Redis, nothing_is_remembered: None
) -> None:
    """A hundred thousand hits, most of them denied, and as many windows as they last."""
    limiter = Limiter("api", "1000/5s", algorithm=algorithm)
    for number in range(100_000):
        limiter.hit("ann")
        if number % 500 == 0:
            (key,) = keys(bare_redis)
            size = bare_redis.memory_usage(key) or 0
            assert size <= ROOM[algorithm] + (1000 * PER_ENTRY if algorithm == "log" else 0)


def test_a_log_takes_twelve_bytes_for_each_unit(bare_redis: redis.Redis) -> None:
    """And a window none at all."""
    Limiter("api", "5000/d", algorithm="log").hit("ann", 5000)
    Limiter("api", "5000/d").hit("ann", 5000)
    sizes = {
        key.rpartition(":")[2].partition("5000in")[0]: bare_redis.memory_usage(key) or 0 for key in keys(bare_redis)
    }
    assert sizes["log"] <= 5000 * PER_ENTRY
    assert sizes["sliding"] <= 250
