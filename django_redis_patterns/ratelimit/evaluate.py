"""Decides all charges of a request together: one script for each identity, all of them in one trip."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.exceptions import RedisUnavailable

from . import outage
from .decision import Charged, Decision, Receipt
from .denials import denials
from .identity import Identity, tag
from .meters import ENFORCED, Meter, decision, meters, readings
from .rules import Rule

HIT = Script("decide.lua")
PEEK = Script("decide.lua", idempotent=True)
REFUND = Script("refund.lua")


@dataclass(frozen=True)
class Charge:
    """*cost* of *rule* for *identity*. The cost is a whole number from 1, and the rule's limit may be lower."""

    rule: Rule
    identity: Identity
    cost: int = 1

    def __post_init__(self) -> None:
        if type(self.cost) is not int or self.cost < 1:
            raise ValueError(f"A cost is a whole number from 1, not {self.cost!r}.")


async def _evaluate(io: IO, charges: Sequence[Charge]) -> list[Decision]:
    """Charge all of *charges*, or none of them; return a decision for each, in this order.

    All rules and rates of one identity are decided by one script; the scripts of several identities go out in one
    trip. When one of these is denied, what the others have taken is given back in a second trip. Somebody who comes
    in between may find less than there is, never more. Rules in shadow mode are charged for themselves and deny
    nobody. When this process remembers a denial, only remembered denials are returned, and nothing is sent.

    With Redis away each rule answers by its own ``on_unavailable``; raises `RedisDenied`.
    """
    slips = [Slip(charge) for charge in charges]
    if known := [denial for slip in slips if (denial := slip.remembered()) is not None]:
        return known
    await _each(io, _by_identity(slips), _hit)
    for slip in slips:
        slip.remember()
    if not all(slip.decision for slip in slips):
        await _take_nothing(io, slips)
    return [slip.decision for slip in slips]


def remembered(charges: Sequence[Charge]) -> bool:
    """Return whether this process remembers a denial among *charges*: then `evaluate` sends nothing."""
    return any(Slip(charge).remembered() is not None for charge in charges)


async def _look(io: IO, charges: Sequence[Charge]) -> list[Decision]:
    """Return what `evaluate` would decide, and charge nothing. Raises `RedisUnavailable` and `RedisDenied`."""
    slips = [Slip(charge) for charge in charges]
    await _each(io, _by_identity(slips), _peek)
    return [slip.decision for slip in slips]


async def _give_back(io: IO, decisions: Sequence[Decision]) -> None:
    """Give back what *decisions* have charged, in one trip; what was not charged, or given back already, is skipped.

    A bucket gives back what has not drained meanwhile, a window what it still counts. Raises `RedisUnavailable`; when
    nobody knows whether it was given back, it is not tried again.
    """
    taken = [(one.receipt, charged) for one in decisions if (charged := one.receipt.take()) is not None]
    await io.gather(*(_return(io.on(charged.connection), receipt, charged) for receipt, charged in taken))


evaluate, aevaluate = both(_evaluate)
look, alook = both(_look)
give_back, agive_back = both(_give_back)


class Slip:
    """One charge on its way: its meters, and in the end its decision."""

    decision: Decision

    def __init__(self, charge: Charge) -> None:
        self.rule, self.cost, self.tag = charge.rule, charge.cost, tag(charge.identity)
        self.who = (self.tag, self.rule)
        self.meters: list[Meter] = []

    def join(self, tab: dict[str, Meter], group: int) -> None:
        """Put the cost on the meters of *tab*, which has one for each state, whoever charges it."""
        self.meters = [tab.setdefault(meter.key, meter) for meter in meters(self.rule, self.tag, group)]
        for meter in self.meters:
            meter.cost += self.cost

    def remembered(self) -> Decision | None:
        """Return the denial that this process remembers."""
        return denials.find(self.who, self.cost)

    def remember(self) -> None:
        """Remember that it was denied."""
        if self.decision.exceeded and not self.decision.allowed:
            denials.remember(self.who, max(meter.cost for meter in self.meters), self.decision)


def _by_identity(slips: Sequence[Slip]) -> list[tuple[str, list[Slip]]]:
    """Return *slips* by what one script can decide: one alias and one slot."""
    found: dict[tuple[str, str], list[Slip]] = {}
    for slip in slips:
        found.setdefault((slip.rule.alias, slip.tag), []).append(slip)
    return [(alias, together) for (alias, _), together in found.items()]


async def _each(
    io: IO, groups: Sequence[tuple[str, list[Slip]]], act: Callable[..., Coroutine[Any, Any, None]]
) -> None:
    """Let *act* decide each group, all of them in one trip; one alone needs no gathering."""
    bodies = [act(io.on(alias), slips) for alias, slips in groups]
    await (bodies[0] if len(bodies) == 1 else io.gather(*bodies))


async def _peek(io: IO, slips: Sequence[Slip]) -> None:
    await _ask(io, PEEK, "peek", slips)


async def _hit(io: IO, slips: Sequence[Slip]) -> None:
    try:
        await _ask(io, HIT, "hit", slips)
    except RedisUnavailable as error:
        for slip in slips:
            slip.decision = outage.answer(slip.rule, error)
        return
    for slip in slips:
        outage.over(slip.rule)


async def _ask(io: IO, script: Script, act: str, slips: Sequence[Slip]) -> None:
    tab: dict[str, Meter] = {}
    for number, slip in enumerate(slips, ENFORCED + 1):
        slip.join(tab, number if slip.rule.shadow else ENFORCED)
    args = [act, *(meter.text() for meter in tab.values())]
    told = dict(zip(tab, readings(tab.values(), await io.run(script, list(tab), args)), strict=True))
    for slip in slips:
        slip.decision = decision(slip.rule, slip.who, slip.cost, [told[meter.key] for meter in slip.meters])


async def _take_nothing(io: IO, slips: Sequence[Slip]) -> None:
    """Give back what was taken for a request of which something else was denied."""
    taken = [slip for slip in slips if slip.decision.receipt]
    with suppress(RedisUnavailable):  # then it stays charged, and is free again in time
        await _give_back(io, [slip.decision for slip in taken])
        for slip in taken:
            slip.decision = slip.decision.unmade(slip.cost)


async def _return(io: IO, receipt: Receipt, charged: Charged) -> None:
    try:
        await io.run(REFUND, charged.keys, charged.args)
    except RedisUnavailable as error:
        if not error.ambiguous:
            receipt.put_back(charged)
        raise
    denials.forget(charged.who)
