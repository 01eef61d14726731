"""The scripts of the room on a clock that a test tells."""

from collections.abc import Callable
from typing import Any

import redis

from django_redis_patterns.core.scripts import Script
from django_redis_patterns.ratelimit.evaluate import HIT, REFUND
from django_redis_patterns.ratelimit.meters import Meter, Reading, meters, readings
from django_redis_patterns.ratelimit.rate import Rate
from django_redis_patterns.ratelimit.rules import Rule

CLOCK = "local time = redis.call('TIME')"


def on_a_clock(script: Script) -> str:
    """Return the text of *script*, which takes its time from a last argument, in microseconds."""
    assert CLOCK in script.text
    return script.text.replace(CLOCK, "local time = { 0, table.remove(ARGV) }")


class Clocked:
    """Hits at times that a test tells; what comes of all of them is told at the end, in order."""

    def __init__(self, client: redis.Redis) -> None:
        self._pipeline = client.pipeline(transaction=False)
        self._decide, self._refund = on_a_clock(HIT), on_a_clock(REFUND)
        self._read: list[Callable[[Any], Any]] = []

    def hit(self, now: int, who: str, rate: Rate, algorithm: Any, cost: int = 1) -> None:
        """Charge one rate."""
        found = list(meters(Rule(name="clocked", rates=(rate,), algorithm=algorithm), who, 0))
        found[0].cost = cost
        self.act(now, found)

    def act(self, now: int, asked: list[Meter], act: str = "hit") -> None:
        """Ask for several meters at once."""
        args = [act, *(meter.text() for meter in asked)]
        self._pipeline.eval(self._decide, len(asked), *(meter.key for meter in asked), *args, now)
        self._read.append(lambda reply: readings(asked, reply))

    def refund(self, now: int, meter: Meter, cost: int, stamp: int) -> None:
        """Give back what was charged at *stamp*."""
        self._pipeline.eval(self._refund, 1, meter.key, f"{meter.kind} {cost} {stamp} {meter.a} {meter.b}", now)
        self._read.append(lambda reply: None)

    def told(self) -> list[list[Reading]]:
        """Return what was told."""
        replies, reads = self._pipeline.execute(), self._read
        self._read = []
        return [read(reply) for read, reply in zip(reads, replies, strict=True)]
