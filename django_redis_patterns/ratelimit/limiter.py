"""A limiter: one rule, in code."""

import time
from datetime import timedelta

from django_redis_patterns.core.operations import IO, both

from . import rules
from .decision import Decision
from .denials import denials
from .evaluate import Charge, _evaluate, _give_back, _look
from .identity import Identity, tag
from .meters import ENFORCED, meters
from .rate import Rate
from .rules import Algorithm, Policy, Rule


class Limiter:
    """``Limiter("login", "5/15m").hit("ann")`` is true while ann is within all of the rates.

    ``algorithm``: "sliding" never admits more than the limit in any window, and may be up to a sixtieth of the window
    late to admit again; "log" is exact and keeps an entry per unit, up to 5000; "fixed" counts in windows that begin
    at multiples of the period, so two limits fit around such a moment; "bucket" admits ``burst`` at once and refills
    steadily at the rate. ``on_unavailable``: "open" or "closed" while Redis is away; what the settings say unless it
    is said here. ``shadow``: count and tell, deny nobody. Raises ValueError for what does not go together.

    The same name, algorithm and rate count together wherever they are declared; another rate starts afresh.
    Identities are text, numbers, UUIDs or tuples of them. Times are on the clock of Redis alone.
    """

    def __init__(
        self,
        name: str,
        *rates: str | Rate,
        algorithm: Algorithm = "sliding",
        burst: int | None = None,
        on_unavailable: Policy | None = None,
        shadow: bool = False,
        connection: str | None = None,
    ) -> None:
        self.declared = Rule(
            name=name,
            rates=rules.parsed(rates),
            algorithm=algorithm,
            burst=burst,
            on_unavailable=on_unavailable,
            shadow=shadow,
            connection=connection,
        )

    def __repr__(self) -> str:
        rates = " ".join(map(str, self.declared.rates))
        return f"<Limiter {self.declared.name!r} {rates} {self.declared.algorithm}>"

    @classmethod
    def of(cls, rule: Rule) -> "Limiter":
        """Return the limiter of *rule*."""
        limiter = cls.__new__(cls)
        limiter.declared = rule
        return limiter

    @classmethod
    def rule(cls, name: str) -> "Limiter":
        """Return the limiter of the rule *name* in ``REDIS_PATTERNS["RATELIMIT"]["RULES"]``.

        What the rule says of requests (``key``, ``cost``...) is not asked here. Raises `InvalidConfiguration` when
        there is no such rule, or its rates depend on the request.
        """
        return cls.of(rules.of_code(name))

    @property
    def connection(self) -> str:
        """The alias of the connection that counts."""
        return self.declared.alias

    async def _hit(self, io: IO, identity: Identity, cost: int = 1) -> Decision:
        """Charge *cost* to *identity* if all of it fits within all rates, else nothing.

        One trip; none for who was denied within the last second and is not free yet. With Redis away the decision is
        ``unavailable`` and the rule open or closed; raises `RedisDenied`. A hit is sent once: when its reply is lost
        it may have been charged.
        """
        (decision,) = await _evaluate(io, [Charge(self.declared, identity, cost)])
        return decision

    async def _peek(self, io: IO, identity: Identity, cost: int = 1) -> Decision:
        """Return what `hit` would say, and charge nothing. Always asks; raises `RedisUnavailable`."""
        (decision,) = await _look(io, [Charge(self.declared, identity, cost)])
        return decision

    async def _reset(self, io: IO, identity: Identity) -> None:
        """Forget what *identity* was charged. Other processes notice within a second; raises `RedisUnavailable`."""
        who = tag(identity)
        await io.redis.unlink(*(meter.key for meter in meters(self.declared, who, ENFORCED)))
        denials.forget((who, self.declared))

    async def _refund(self, io: IO, decision: Decision) -> None:
        """Give back what *decision* has charged, once; nothing for a denial.

        A bucket gives back what has not drained meanwhile, a window what it still counts: no window is exceeded because
        of it. After a reset or an eviction in between it may give back what was charged since. Raises
        `RedisUnavailable`; when nobody knows whether it was given back, it is not tried again.
        """
        await _give_back(io, [decision])

    async def _wait(self, io: IO, identity: Identity, cost: int = 1, wait: float | timedelta = 10.0) -> Decision:
        """Charge *cost* as soon as it fits, and wait for that up to *wait* seconds.

        Returns a denial as soon as it is clear that it will not fit in time. Nobody is promised a turn: who comes at
        the right moment is first. Otherwise like `hit`.
        """
        end = time.monotonic() + (wait.total_seconds() if isinstance(wait, timedelta) else wait)
        while not (decision := await self._hit(io, identity, cost)):
            if cost > decision.limit or time.monotonic() + decision.retry_after > end:
                break
            await io.sleep(decision.retry_after)
        return decision

    hit, ahit = both(_hit)
    peek, apeek = both(_peek)
    reset, areset = both(_reset)
    refund, arefund = both(_refund)
    wait, await_ = both(_wait)
