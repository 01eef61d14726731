"""What the scripts are told of one rate of a rule, and what they tell of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django_redis_patterns.core.keys import key

from .decision import Charged, Decision, Quota, Receipt
from .rate import Rate
from .rules import US, Rule, drain

#: A sliding window is counted in so many slices, and the one that it has half left counts whole: it never admits too
#: much, and at 0.9 of the limit, at random, over 99 % of what an exact log does.
SLICES = 60
#: Rules that decide together; each rule in shadow mode is a group of its own.
ENFORCED = 0


@dataclass
class Meter:
    """One rate of one rule for one identity; ``a`` and ``b`` are explained in ``lua/decide.lua``."""

    rate: Rate
    key: str
    group: int
    kind: str
    limit: int
    a: int
    b: int
    cost: int = 0

    def text(self) -> str:
        """Return what ``decide.lua`` wants to know."""
        return f"{self.group} {self.kind} {self.limit} {self.cost} {self.a} {self.b}"


def meters(rule: Rule, tag: str, group: int) -> Iterator[Meter]:
    """Yield the meters of *rule*, one for each of its rates."""
    for rate in rule.rates:
        limit = rule.burst or rate.limit
        burst = f"burst{rule.burst}" if rule.burst else ""
        name = key("ratelimit", tag, rule.name, f"{rule.algorithm}{rate.limit}in{rate.period}{burst}")
        yield Meter(rate, name, group, *_kind(rule, rate, limit))


def _kind(rule: Rule, rate: Rate, limit: int) -> tuple[str, int, int, int]:
    period = rate.period * US
    if rule.algorithm == "bucket":
        return "bucket", limit, *drain(rate)
    if rule.algorithm == "log":
        return "log", limit, period, 0
    if rule.algorithm == "fixed":
        return "sliced", limit, period, 1
    return "sliced", limit, -(-period // SLICES), SLICES + 1


@dataclass
class Reading:
    """What the script told of one meter; times are in microseconds."""

    meter: Meter
    used: int
    stamp: int
    free: int
    fits: int
    is_charged: int

    @property
    def is_over(self) -> bool:
        """Whether the cost does not fit."""
        return self.used + self.meter.cost > self.meter.limit

    def quota(self) -> Quota:
        """Return it as the caller sees it. A cost that never fits is told to come back in a whole period."""
        meter = self.meter
        wait = self.fits / US if meter.cost <= meter.limit else float(meter.rate.period)
        left = meter.limit - self.used - (meter.cost if self.is_charged else 0)
        return Quota(meter.rate, meter.limit, max(left, 0), max(self.free / US, wait), wait)


def readings(meters: Iterable[Meter], reply: Sequence[bytes]) -> list[Reading]:
    """Return the script's *reply*, by meter."""
    return [Reading(meter, *map(int, text.split())) for meter, text in zip(meters, reply, strict=True)]


def decision(rule: Rule, who: Any, cost: int, told: Sequence[Reading]) -> Decision:
    """Return what *told* means for *cost* of *rule*, which *who* is charged."""
    quotas = tuple(reading.quota() for reading in told)
    tightest = max(quotas, key=lambda quota: (quota.retry_after, -quota.remaining))
    exceeded = any(reading.is_over for reading in told)
    return Decision(
        rule.shadow or not exceeded,
        rule.name,
        tightest.limit,
        tightest.remaining,
        tightest.reset_after,
        tightest.retry_after,
        quotas,
        exceeded,
        receipt=_receipt(rule, who, cost, [reading for reading in told if reading.is_charged]),
    )


def _receipt(rule: Rule, who: Any, cost: int, charged: Sequence[Reading]) -> Receipt:
    if not charged:
        return Receipt()
    args = [f"{reading.meter.kind} {cost} {reading.stamp} {reading.meter.a} {reading.meter.b}" for reading in charged]
    return Receipt(Charged(who, rule.alias, [reading.meter.key for reading in charged], args))
