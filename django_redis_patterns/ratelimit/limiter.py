"""A limiter: one rule, in code."""

from datetime import timedelta

from django_redis_patterns.conf import settings
from django_redis_patterns.core.operations import IO, both

from . import rules
from .decision import Decision
from .evaluate import Charge, _evaluate, _give_back
from .identity import Identity
from .rate import Rate
from .rules import Algorithm, Policy, Rule


class Limiter:
    """``Limiter("login", "5/15m").hit("ann")`` is true while ann is within all of the rates."""

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

    @classmethod
    def of(cls, rule: Rule) -> "Limiter":
        """Return the limiter of *rule*."""
        limiter = cls.__new__(cls)
        limiter.declared = rule
        return limiter

    @classmethod
    def rule(cls, name: str) -> "Limiter":
        """Return the limiter of the rule *name* in ``REDIS_PATTERNS["RATELIMIT"]["RULES"]``."""
        return cls.of(rules.rule(name))

    @property
    def connection(self) -> str:
        """The alias of the connection that counts."""
        return self.declared.connection or settings().ratelimit.connection

    async def _hit(self, io: IO, identity: Identity, cost: int = 1) -> Decision:
        """Charge *cost* to *identity* if all of it fits."""
        (decision,) = await _evaluate(io, [Charge(self.declared, identity, cost)])
        return decision

    async def _peek(self, io: IO, identity: Identity, cost: int = 1) -> Decision:
        """Return what `hit` would say, and charge nothing."""
        raise NotImplementedError

    async def _reset(self, io: IO, identity: Identity) -> None:
        """Forget what *identity* was charged."""
        raise NotImplementedError

    async def _refund(self, io: IO, decision: Decision) -> None:
        """Give back what *decision* has charged."""
        await _give_back(io, [decision])

    async def _wait(self, io: IO, identity: Identity, cost: int = 1, *, wait: float | timedelta) -> Decision:
        """Charge *cost* as soon as it fits, within *wait* seconds."""
        raise NotImplementedError

    hit, ahit = both(_hit)
    peek, apeek = both(_peek)
    reset, areset = both(_reset)
    refund, arefund = both(_refund)
    wait, await_ = both(_wait)
