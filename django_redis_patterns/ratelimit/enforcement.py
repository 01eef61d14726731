"""Decides the rules of a request together, and after its response gives back what does not count."""

import logging
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from django_redis_patterns.conf import settings
from django_redis_patterns.conf.networks import networks
from django_redis_patterns.core.client_ip import client_address, is_in
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.exceptions import RedisUnavailable
from django_redis_patterns.signals import rate_limited

from .decision import Decision
from .evaluate import Charge, _evaluate, _give_back, remembered
from .identity import Identity
from .keys import Ask, identify, user_of
from .matching import is_exempt_path, is_preflight
from .request_rules import RequestRule
from .verdict import Verdict, verdict_of

logger = logging.getLogger("django_redis_patterns.ratelimit")


async def _enforce(io: IO, request: HttpRequest, rules: Iterable[RequestRule], user: Ask = user_of) -> Verdict:
    """Decide those of *rules* that cover *request* and are not decided yet; return the request's verdict.

    One trip for all of them, in which a session that nobody has read yet is loaded too if it lives on the same
    connection. *user* says who is logged in, and is asked only if a rule or an exemption has to know.
    """
    verdict = verdict_of(request)
    open_rules = verdict.undecided(rule for rule in rules if rule.covers(request))
    if not open_rules or await _is_exempt(io, request, user):
        return verdict
    charges = [(rule, charge) for rule in open_rules if (charge := await _charge(io, request, rule, user))]
    if charges:
        decisions = await _decide(io, request, [charge for _, charge in charges])
        verdict.note([rule for rule, _ in charges], decisions)
        await _announce(io, request, decisions)
    return verdict


async def _settle(io: IO, request: HttpRequest, response: HttpResponseBase) -> bool:
    """Give back what *response* says does not count: one trip more, when there is something to give back.

    Returns whether it was done: with Redis away it stays charged, and is free again in time.
    """
    back = [
        decision
        for rule, decision in verdict_of(request).charged
        if rule.count_if and not await io.call(rule.count_if, response)
    ]
    try:
        await _give_back(io, back)
    except RedisUnavailable as error:
        logger.warning("What a request does not count for stays charged: %s", error)
        return False
    return True


enforce, aenforce = both(_enforce)
settle, asettle = both(_settle)


async def _decide(io: IO, request: HttpRequest, charges: list[Charge]) -> list[Decision]:
    session = _unread_session(request)
    if session is None or remembered(charges):
        return await _evaluate(io, charges)
    decisions: list[Decision]
    decisions, _ = await io.gather(_evaluate(io, charges), _quietly(session.prefetch.start(session)))
    return decisions


async def _charge(io: IO, request: HttpRequest, rule: RequestRule, user: Ask) -> Charge | None:
    identity = await identify(io, request, rule.key, user)
    cost = await rule.cost_of(io, request) if identity is not None else 0
    if identity is None or cost == 0:
        return None
    return Charge(await rule.rule_for(io, request), _apart(identity) if is_preflight(request) else identity, cost)


def _apart(identity: Identity) -> Identity:
    """Return who *identity* is in preflights: they have the same limits, and eat nothing of the others'."""
    return ("preflight", *(identity if isinstance(identity, tuple) else (identity,)))


async def _is_exempt(io: IO, request: HttpRequest, user: Ask) -> bool:
    section = settings().ratelimit
    if is_exempt_path(request.path_info, section.exempt_paths):
        return True
    address = client_address(request) if section.exempt_networks else None
    if address is not None and is_in(address, networks(section.exempt_networks, "RATELIMIT.EXEMPT_NETWORKS")):
        return True
    known = await io.call(user, request) if section.exempt_users else None
    return known is not None and bool(getattr(known, section.exempt_users or "", False))


def _unread_session(request: HttpRequest) -> Any:
    """Return the session if its load can share our trip: it has an operation for that, and our connection."""
    session: Any = getattr(request, "session", None)
    if not hasattr(getattr(session, "prefetch", None), "start"):
        return None
    return session if session.connection == settings().ratelimit.connection else None


async def _quietly(prefetch: Coroutine[Any, Any, Any]) -> Any:
    try:
        await prefetch
    except RedisUnavailable as error:
        logger.debug("A session did not come along: %s", error)


async def _announce(io: IO, request: HttpRequest | None, decisions: Iterable[Decision]) -> None:
    for decision in decisions:
        if (decision.exceeded or not decision.allowed) and rate_limited.has_listeners(Decision):
            await io.call(partial(rate_limited.send_robust, sender=Decision, request=request, decision=decision))
