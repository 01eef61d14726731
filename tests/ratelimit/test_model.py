"""The scripts against a model of twenty lines, which keeps all that was ever charged and counts it anew each time."""

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis

from django_redis_patterns.ratelimit import Rate
from django_redis_patterns.ratelimit.meters import Meter, Reading, meters
from django_redis_patterns.ratelimit.rules import ALGORITHMS, Rule
from tests.ratelimit.clocked import Clocked

#: Long ones, so that what is on a told clock does not expire on the real one meanwhile.
RATES = [Rate.parse(text) for text in ("1/m", "2/m", "7/m", "3/h", "10/90s", "12/7m", "11/d")]
START = 1_800_000_000_000_000


@dataclass
class Model:
    """What one meter was charged: times and costs, in the order in which they came."""

    meter: Meter
    charged: list[tuple[int, int]] = field(default_factory=list)

    def stamp(self, now: int) -> int:
        return max([now, *(at for at, _ in self.charged)])

    def used(self, now: int) -> int:
        a, b, stamp = self.meter.a, self.meter.b, self.stamp(now)
        if self.meter.kind == "sliced":
            return sum(cost for at, cost in self.charged if at // a > stamp // a - b)
        if self.meter.kind == "log":
            return sum(cost for at, cost in self.charged if at > stamp - a)
        level = before = 0
        for at, cost in [*self.charged, (stamp, 0)]:
            level, before = max(level - (at - before) * b, 0) + cost * a, at
        return -(-level // a)

    def fits(self, now: int, cost: int) -> bool:
        return self.used(now) + cost <= self.meter.limit


@dataclass
class Step:
    """What happens at one moment: several meters are charged, or one charge is given back."""

    now: int
    meters: list[Meter] = field(default_factory=list)
    act: str = "hit"
    back: int | None = None


@dataclass
class Sequence:
    """A random life of one identity."""

    number: int
    steps: list[Step]


def sequence(number: int, length: int) -> Sequence:
    """Return life *number*: the same each time."""
    chance = random.Random(number)
    known = [
        meter
        for group in range(chance.choice([1, 1, 2, 3]))
        for meter in meters(
            Rule(name=f"rule{group}", rates=(chance.choice(RATES),), algorithm=chance.choice(ALGORITHMS)),
            f"who{number}",
            chance.choice([0, 0, group]),
        )
    ]
    now, steps = START + chance.randrange(10**9), []
    for _ in range(length):
        now += passed(chance, chance.choice(known))
        asked = chance.sample(known, chance.randint(1, len(known)))
        cost = chance.choice([1, 1, 1, 2, 3, chance.randint(1, 15)])
        costly = [Meter(m.rate, m.key, m.group, m.kind, m.limit, m.a, m.b, cost) for m in asked]
        steps.append(Step(now, costly, chance.choice(["hit", "hit", "hit", "peek"])))
    return Sequence(number, steps)


def passed(chance: random.Random, meter: Meter) -> int:
    """Return how many microseconds go by until the next step: the moments around which something may go wrong."""
    period = meter.rate.period * 1_000_000
    moments = [0, 1, meter.a - 1, meter.a, meter.a + 1, period - 1, period, period + 1, meter.a * 61, 10 * period]
    return chance.choice(
        [*moments, chance.randrange(period), chance.randrange(period // 10), -chance.randrange(period)]
    )


def expected(models: dict[str, Model], step: Step) -> list[bool]:
    """Return who is over, after charging the model if nobody is who matters."""
    over = [not models[m.key].fits(step.now, m.cost) for m in step.meters]
    refused = {m.group for m, is_over in zip(step.meters, over, strict=True) if is_over}
    for meter in step.meters:
        if step.act == "hit" and not refused & {0, meter.group}:
            models[meter.key].charged.append((models[meter.key].stamp(step.now), meter.cost))
    return over


def check(models: dict[str, Model], step: Step, told: list[Reading]) -> None:
    before = [models[meter.key].used(step.now) for meter in step.meters]
    charged = [len(models[meter.key].charged) for meter in step.meters]
    waits = [
        models[r.meter.key].fits(step.now + r.fits, r.meter.cost)
        and (not r.fits or not models[r.meter.key].fits(step.now + r.fits - 1, r.meter.cost))
        for r in told
        if r.meter.cost <= r.meter.limit
    ]
    over = expected(models, step)
    assert [r.used for r in told] == before
    assert [r.is_over for r in told] == over
    assert [bool(r.fits) for r in told if r.meter.cost <= r.meter.limit] == [
        is_over for r, is_over in zip(told, over, strict=True) if r.meter.cost <= r.meter.limit
    ]
    assert all(waits)
    assert [bool(r.is_charged) for r in told] == [
        len(models[m.key].charged) > n for m, n in zip(step.meters, charged, strict=True)
    ]
    for reading in told:
        model = models[reading.meter.key]
        assert model.used(step.now + reading.free) == 0
        assert not reading.free or model.used(step.now + reading.free - 1) > 0


def live(client: redis.Redis, numbers: range, length: int) -> int:
    """Live many lives in one pipeline, and judge every step; returns how many were over the limit."""
    clocked, lives, over = Clocked(client), [sequence(number, length) for number in numbers], 0
    for life in lives:
        for step in life.steps:
            clocked.act(step.now, step.meters, step.act)
    told = iter(clocked.told())
    for life in lives:
        models = {meter.key: Model(meter) for step in life.steps for meter in step.meters}
        for number, step in enumerate(life.steps):
            reply = next(told)
            try:
                check(models, step, reply)
            except AssertionError as error:
                raise AssertionError(f"life {life.number}, step {number}: {step}") from error
            over += any(reading.is_over for reading in reply)
    client.flushall()
    return over


def test_the_script_does_what_the_model_does(redis_server: Any, bare_redis: redis.Redis) -> None:
    """Several meters at once, costs, clocks that are put back, and the moments at which something changes."""
    over = sum(live(bare_redis, range(start, start + 250), 12) for start in range(0, 2500, 250))
    assert 2500 < over < 27500


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_script_does_what_the_model_does_a_hundred_thousand_times(
    redis_server: Any, bare_redis: redis.Redis
) -> None:
    """The same, for many more lives."""
    assert sum(live(bare_redis, range(start, start + 500), 7) for start in range(10_000, 110_000, 500))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_refund_is_as_if_it_had_not_been(redis_server: Any, bare_redis: redis.Redis, algorithm: Any) -> None:
    """Or leaves less, where a bucket has drained meanwhile; never more than there would be. Each comes back later."""
    seen = {"exact": 0, "less": 0}
    for number in range(120):
        chance = random.Random(number)
        (meter,) = meters(Rule(name="r", rates=(Rate.parse("10/m"),), algorithm=algorithm), f"who{number}", 0)
        clocked, model, now = Clocked(bare_redis), Model(meter), START
        for _ in range(14):
            now += chance.choice([0, 0, 1, 1_000_000, 7_000_000, 20_000_000, 61_000_000])
            if model.charged and chance.random() < 0.4:
                stamp, cost = model.charged.pop(chance.randrange(len(model.charged)))
                clocked.refund(now, meter, cost, stamp)
                clocked.told()
            meter.cost = chance.randint(1, 5)
            clocked.act(now, [meter])
            ((reading,),) = clocked.told()
            assert reading.used >= model.used(now)
            seen["exact" if reading.used == model.used(now) else "less"] += 1
            if reading.is_charged:
                model.charged.append((reading.stamp, meter.cost))
    assert seen["exact"] > seen["less"]
    assert seen["less"] == 0 or algorithm == "bucket"


@pytest.mark.parametrize("algorithm", ["sliding", "fixed"])
def test_a_refund_of_what_was_reset_is_for_its_own_slice(
    redis_server: Any, bare_redis: redis.Redis, algorithm: Any
) -> None:
    """And takes nothing from what was charged in an earlier one since then: the clock was put back meanwhile."""
    clocked, meter = Clocked(bare_redis), _costly(algorithm, 3)
    for now in (START, START - meter.a):
        bare_redis.delete(meter.key)
        clocked.act(now, [meter])
        clocked.told()
    clocked.refund(START - meter.a, meter, 3, START)
    clocked.act(START - meter.a, [meter])
    assert clocked.told()[-1][0].used == 3


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_refund_leaves_no_more_than_all(redis_server: Any, bare_redis: redis.Redis, algorithm: Any) -> None:
    """Also when what it was of is gone, and less was charged since then."""
    clocked, meter = Clocked(bare_redis), _costly(algorithm, 3)
    clocked.act(START, [meter])
    clocked.told()
    bare_redis.delete(meter.key)
    clocked.act(START, [_costly(algorithm, 1)])
    clocked.refund(START, meter, 3, START)
    clocked.act(START, [_costly(algorithm, 10)])
    assert clocked.told()[-1][0].used == 0
    clocked.act(START, [meter])
    assert clocked.told()[-1][0].is_over


def _costly(algorithm: Any, cost: int) -> Meter:
    (meter,) = meters(Rule(name="r", rates=(Rate.parse("10/m"),), algorithm=algorithm), "who", 0)
    meter.cost = cost
    return meter
