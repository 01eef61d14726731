"""A client that is denied already costs no trip, until it is free, or somebody frees it."""

import os
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from django_redis_patterns.core import trace
from django_redis_patterns.ratelimit import Limiter, denials
from django_redis_patterns.ratelimit.denials import Denials
from django_redis_patterns.ratelimit.rules import ALGORITHMS
from django_redis_patterns.testing.fixtures import Face

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


def trips(face: Face, limiter: Limiter, who: str, cost: int = 1) -> int:
    with trace.record() as log:
        face(limiter.hit, who, cost)
    return log.trips


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Denials are remembered for long."""
    monkeypatch.setattr(denials, "LONGEST", 3600.0)


@every_algorithm
def test_a_denied_client_costs_no_trip(algorithm: Any, face: Face, slowly: None) -> None:
    """It is told what is left of its wait; others are not its business, and lower costs may still fit."""
    limiter = Limiter("api", "3/d", algorithm=algorithm)
    face(limiter.hit, "ann", 2)
    first = face(limiter.hit, "ann", 2)
    assert [trips(face, limiter, "ann", cost) for cost in (2, 3, 2)] == [0, 0, 0]
    face(limiter.hit, "bob", 1)  # on a cluster its node may not know the script yet
    assert trips(face, limiter, "bob", 2) == 1
    later = face(limiter.hit, "ann", 2)
    assert not later
    assert later.exceeded
    assert first.retry_after - 60 < later.retry_after < first.retry_after
    assert later.quotas[0].retry_after == later.retry_after
    assert first.reset_after - 60 < later.reset_after < first.reset_after
    assert trips(face, limiter, "ann", 1) == 1


@every_algorithm
def test_it_frees_in_time(algorithm: Any, slowly: None) -> None:
    """Nobody is denied by memory longer than by Redis."""
    limiter = Limiter("short", "4/s", algorithm=algorithm)
    while limiter.hit("ann"):
        pass
    denied = limiter.hit("ann")
    time.sleep(denied.retry_after + 0.001)
    assert limiter.hit("ann")


def test_a_reset_here_is_noticed_at_once(face: Face, slowly: None) -> None:
    """So is a refund."""
    limiter = Limiter("api", "1/d")
    first = face(limiter.hit, "ann")
    assert not face(limiter.hit, "ann")
    face(limiter.refund, first)
    assert face(limiter.hit, "ann")
    assert not face(limiter.hit, "ann")
    face(limiter.reset, "ann")
    assert face(limiter.hit, "ann")


def test_a_reset_elsewhere_is_noticed_within_a_moment(face: Face, bare_redis: Any, monkeypatch: Any) -> None:
    """A denial is remembered no longer than that."""
    assert denials.LONGEST <= 1.0
    monkeypatch.setattr(denials, "LONGEST", 0.2)
    limiter = Limiter("api", "1/d")
    for _ in range(2):
        face(limiter.hit, "ann")
    bare_redis.flushall()
    assert not face(limiter.hit, "ann")
    time.sleep(0.2)
    assert face(limiter.hit, "ann")


def test_other_settings_are_another_redis(slowly: None) -> None:
    """What is remembered of the one is not said of the other."""
    limiter = Limiter("api", "1/d")
    for _ in range(2):
        limiter.hit("ann")
    with override_settings(REDIS_PATTERNS=settings.REDIS_PATTERNS | {"PREFIX": "other"}):
        assert limiter.hit("ann")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_knows_nothing(slowly: None) -> None:
    """Nor does it wait for a lock that a thread of its parent held."""
    limiter = Limiter("api", "1/d")
    for _ in range(2):
        limiter.hit("ann")
    with denials.denials._lock:
        child = os.fork()
        if child == 0:
            os._exit(len(denials.denials._denied))
    assert os.waitpid(child, 0)[1] == 0
    assert len(denials.denials._denied) == 1


def test_peek_asks_redis(face: Face, slowly: None) -> None:
    """Also about somebody who is denied."""
    limiter = Limiter("api", "1/d")
    for _ in range(2):
        face(limiter.hit, "ann")
    with trace.record() as log:
        assert not face(limiter.peek, "ann")
    assert log.trips == 1


def test_another_rate_is_another_limit(face: Face, slowly: None) -> None:
    """Who gets a better plan is let in at once."""
    for _ in range(2):
        face(Limiter("api", "1/d").hit, "ann")
    assert face(Limiter("api", "2/d").hit, "ann")


def test_shadow_mode_is_always_asked(face: Face, slowly: None) -> None:
    """Its denials stop nothing, so there is nothing to remember."""
    limiter = Limiter("api", "1/d", shadow=True)
    assert [trips(face, limiter, "ann") for _ in range(3)][1:] == [1, 1]


def test_memory_is_bounded() -> None:
    """Whoever floods it: those who were asked for longest ago are forgotten first, and what is over is dropped."""
    remembered, denied = Denials(), Limiter("api", "1/d").peek("ann", 2)
    over = replace(denied, retry_after=0.0)
    for number in range(denials.MOST + 10):
        remembered.remember(number, 1, denied)
        remembered.find(3, 1)
    assert len(remembered._denied) == denials.MOST
    assert remembered.find(4, 1) is None
    assert remembered.find(3, 1) is not None
    assert remembered.find(denials.MOST + 9, 1) is not None
    remembered.remember("old", 1, over)
    assert remembered.find("old", 1) is None
    assert "old" not in remembered._denied


def test_threads_share_it() -> None:
    """Nothing breaks, and nobody is let in by it."""
    limiter = Limiter("api", "1/d")
    limiter.hit("ann")
    admitted: list[bool] = []
    threads = [
        threading.Thread(target=lambda: admitted.extend(bool(limiter.hit("ann")) for _ in range(200))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert admitted == [False] * 1600
