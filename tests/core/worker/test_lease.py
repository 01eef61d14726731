"""Leases: one command for all children of a set, on the clock of Redis."""

import time

import pytest
import redis

from django_redis_patterns.core import trace
from django_redis_patterns.core.keys import key
from django_redis_patterns.core.worker.lease import hold
from django_redis_patterns.testing.fixtures import Face


@pytest.fixture
def live() -> str:
    return key("words", "x", "live")


def test_a_lease_is_alive_until_its_end(live: str, face: Face, bare_redis: redis.Redis) -> None:
    assert face(hold, "default", live, ["a"], 60) == []
    seconds, micros = bare_redis.time()
    assert bare_redis.zscore(live, "a") - (seconds * 1000 + micros // 1000) == pytest.approx(60_000, abs=5000)
    assert bare_redis.ttl(live) > 60 + 86_000


def test_many_are_held_by_one_command(live: str, bare_redis: redis.Redis) -> None:
    with trace.record() as log:
        hold("default", live, [str(number) for number in range(500)], 60)
    assert log.trips <= 2  # the first sends the text too
    assert bare_redis.zcard(live) == 500


def test_one_that_had_run_out_is_told_of_once(live: str, face: Face) -> None:
    face(hold, "default", live, ["a"], 0.01)
    time.sleep(0.05)
    assert face(hold, "default", live, ["a", "b"], 60) == ["a"]
    assert face(hold, "default", live, ["a", "b"], 60) == []


def test_the_dead_stay_until_somebody_has_cleared_up(live: str, face: Face, bare_redis: redis.Redis) -> None:
    face(hold, "default", live, ["a"], 60)
    assert face(hold, "default", live, ["a"], 0) == []
    assert bare_redis.zscore(live, "a") == 0
