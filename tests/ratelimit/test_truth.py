"""No window is ever exceeded: everything that was admitted, on the clock of Redis, before a judge."""

import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import redis

from django_redis_patterns.core.keys import key
from django_redis_patterns.ratelimit import Rate
from django_redis_patterns.ratelimit.meters import meters
from django_redis_patterns.ratelimit.rules import ALGORITHMS, US, Rule
from tests.ratelimit.clocked import Clocked
from tests.ratelimit.judge import Admission, burst, busiest, fullest

PROCESSES = 8
#: Seconds by which the clocks of the processes are wrong.
SKEWS = (0, 600, -600, 0, 599.5, -0.5, 86400, -86400)


def hammered(seconds: float, rates: list[str]) -> dict[str, list[Admission]]:
    """Return what all processes together were admitted, by algorithm."""
    with ExitStack() as running:
        started = [running.enter_context(_hammer(seconds, skew, rates)) for skew in SKEWS]
        for hammer in started:
            assert hammer.stdout
            assert hammer.stdout.readline() == "ready\n"
        for hammer in started:
            assert hammer.stdin
            hammer.stdin.write("go\n")
            hammer.stdin.flush()
        told = [json.loads(hammer.communicate()[0]) for hammer in started]
    return {name: [Admission(*one) for mine in told for one in mine[name]] for name in ALGORITHMS}


def _hammer(seconds: float, skew: float, rates: list[str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.ratelimit.hammer", str(seconds), str(skew), *rates]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def check(admitted: dict[str, list[Admission]], rates: list[str]) -> None:
    for limit, window in ((rate.limit, rate.period * US) for rate in map(Rate.parse, rates)):
        assert busiest(admitted["sliding"], window) <= limit
        assert busiest(admitted["log"], window) <= limit
        assert fullest(admitted["fixed"], window) <= limit
        assert burst(admitted["bucket"], limit, window) <= limit * window
    assert all(len(found) > 20 for found in admitted.values())


def test_no_window_is_exceeded() -> None:
    """Eight processes with wrong clocks, each with threads and tasks, costs and refunds, by every algorithm."""
    check(hammered(3, ["40/s", "90/3s"]), ["40/s", "90/3s"])


@pytest.mark.slow
@pytest.mark.parametrize("rates", [["500/s"], ["3/s", "20/6s"], ["200/5s", "50/s", "220/6s"]], ids=str)
def test_no_window_is_exceeded_for_long(rates: list[str]) -> None:
    """The same, with other limits, for longer than the longest window takes twice."""
    check(hammered(13, rates), rates)


class Racy:
    """The limiter of many tutorials: it looks, and then it acts."""

    def __init__(self, client: redis.Redis, limit: int, window: int) -> None:
        self.client, self.limit, self.window = client, limit, window
        self.key = key("test", "racy")

    def hit(self, between: threading.Barrier) -> Admission | None:
        seconds, us = self.client.time()
        now = seconds * US + us
        self.client.zremrangebyscore(self.key, "-inf", now - self.window)
        if self.client.zcard(self.key) >= self.limit:
            return None
        between.wait(30)
        self.client.zadd(self.key, {f"{now}-{random.random()}": now})
        self.client.pexpire(self.key, self.window // 1000)
        return Admission(now, 1)


def test_the_judge_can_say_no(bare_redis: redis.Redis) -> None:
    """A racy limiter is found against by what clears ours, when its users look before any of them acts."""
    racy, everybody = Racy(bare_redis, 10, 60 * US), threading.Barrier(16)
    with ThreadPoolExecutor(16) as pool:
        told = [one.result() for one in [pool.submit(racy.hit, everybody) for _ in range(16)]]
    assert busiest([admission for admission in told if admission], 60 * US) == 16


@pytest.mark.parametrize(
    ("admissions", "seen"),
    [
        ([], (0, 0, 0)),
        ([(0, 3), (99, 4)], (7, 7, 601)),
        ([(50, 3), (149, 4)], (7, 4, 601)),
        ([(50, 3), (150, 4)], (4, 4, 600)),
        ([(10, 1), (20, 1), (115, 5)], (6, 5, 595)),
    ],
)
def test_the_judge_can_count(admissions: list[tuple[int, int]], seen: tuple[int, ...]) -> None:
    """By hand: windows of 100, and a bucket that drains one in 100."""
    given = [Admission(*one) for one in admissions]
    assert (busiest(given, 100), fullest(given, 100), burst(given, 1, 100)) == seen


@pytest.mark.parametrize("algorithm", ["sliding", "log"])
@pytest.mark.parametrize("text", ["3/s", "3/7s", "3/59s", "3/m", "3/61s", "3/13m", "3/d", "3/366d"])
def test_whoever_comes_as_early_as_he_may_is_within_the_limit(
    redis_server: object, bare_redis: redis.Redis, text: str, algorithm: str
) -> None:
    """An attacker who knows where slices begin and end, to the microsecond, and comes back when he is told."""
    rate, clocked = Rate.parse(text), Clocked(bare_redis)
    (meter,) = meters(Rule(name="x", rates=(rate,), algorithm="sliding"), "ann", 0)
    width = meter.a
    for number, phase in enumerate((0, 1, width // 2, width - 1, rate.period * US % width)):
        now, taken = 1_800_000_000 * US // width * width + phase, []
        for pause in (0, 0, 0, 1, 0, width - 1, 0, 0, width, 0, 1):
            now += pause
            clocked.hit(now, f"ann{number}", rate, algorithm)
            ((reading,),) = clocked.told()
            if not reading.is_charged:
                now += reading.fits
                clocked.hit(now, f"ann{number}", rate, algorithm)
                ((reading,),) = clocked.told()
            assert reading.is_charged
            taken.append(Admission(now, 1))
        assert busiest(taken, rate.period * US) <= rate.limit


def arrivals(rate: Rate, load: float, periods: int) -> Iterator[int]:
    """Yield times, at random, so many that *load* times the limit comes on average."""
    at, chance = float(rate.period * US * 1000), random.Random(7)
    for _ in range(int(rate.limit * load * periods)):
        at += chance.expovariate(rate.limit * load / rate.period / US)
        yield int(at)


@pytest.mark.parametrize("text", ["20/m", "100/m", "300/h"])
def test_never_over_is_not_bought_by_denying(redis_server: object, bare_redis: redis.Redis, text: str) -> None:
    """At 0.9 of the limit, at random, "sliding" admits at least 98.5 % of what the exact log does."""
    rate = Rate.parse(text)
    clocked, admitted = Clocked(bare_redis), {}
    for algorithm in ("sliding", "log"):
        times = list(arrivals(rate, 0.9, 40))
        for at in times:
            clocked.hit(at, "ann", rate, algorithm)
        told = clocked.told()
        taken = [Admission(at, 1) for at, (one,) in zip(times, told, strict=True) if one.is_charged]
        assert busiest(taken, rate.period * US) <= rate.limit
        admitted[algorithm] = len(taken)
    assert admitted["sliding"] >= 0.985 * admitted["log"] > 0
