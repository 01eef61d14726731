"""Decides all charges of a request together: one script for each identity, all of them in one trip."""

from collections.abc import Sequence
from dataclasses import dataclass

from django_redis_patterns.core.operations import IO, both

from .decision import Decision
from .identity import Identity
from .rules import Rule


@dataclass(frozen=True)
class Charge:
    """*cost* of *rule* for *identity*."""

    rule: Rule
    identity: Identity
    cost: int = 1


async def _evaluate(io: IO, charges: Sequence[Charge]) -> list[Decision]:
    """Charge all of *charges*, or none of them; return a decision for each, in this order.

    All rules and rates of one identity are decided by one script; the scripts of several identities go out in one
    trip. When one of these is denied, what the others have taken is given back in a second trip. Somebody who comes
    in between may find less than there is, never more. Rules in shadow mode are charged for themselves and deny
    nobody. When this process remembers a denial, only remembered denials are returned, and nothing is sent.

    With Redis away each rule answers by its own ``on_unavailable``; raises `RedisDenied`.
    """
    raise NotImplementedError


async def _give_back(io: IO, decisions: Sequence[Decision]) -> None:
    """Give back what *decisions* have charged, in one trip; what was not charged, or given back already, is skipped.

    A bucket gives back what has not drained meanwhile, a fixed window what was charged in the present one. Raises
    `RedisUnavailable`; when nobody knows whether it was given back, it is not tried again.
    """
    raise NotImplementedError


evaluate, aevaluate = both(_evaluate)
give_back, agive_back = both(_give_back)
