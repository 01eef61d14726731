"""Logins: each attempt is charged before its password is looked at, so however many come at once, no more pass."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import signature
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from django_redis_patterns.core.client_ip import client_network
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.exceptions import RedisUnavailable

from .decision import Decision
from .enforcement import _announce
from .evaluate import Charge, _evaluate, _give_back
from .identity import Identity
from .keys import folded
from .limiter import Limiter
from .rules import rule
from .verdict import verdict_of

logger = logging.getLogger("django_redis_patterns.ratelimit")

IP, USERNAME, BOTH, EVERYBODY = "login-ip", "login-username", "login-ip-username", "login-everybody"

#: The attempt is charged already: an async face that calls the sync one, as that of BaseBackend does, charges once.
_checking: ContextVar[bool] = ContextVar("redis_patterns_checking_password", default=False)


@dataclass
class Attempt:
    """One guess at a password, and what it was charged."""

    charges: list[Charge]
    decisions: Sequence[Decision] = ()


class LoginRateLimit:
    """In front of a backend: ``class Directory(LoginRateLimit, LDAPBackend)``.

    Counts failed attempts by address, by name (the user name, else the first text given by another word, as in
    ``email=``), by both and of everybody, by the rules ``login-ip``, ``login-username``, ``login-ip-username`` and
    ``login-everybody`` of the settings, each with a default. What is over one of them is refused with
    PermissionDenied, as a wrong password is, and with the 429 of `RateLimitMiddleware` where that stands. A success
    gives back its own charge, and clears the counts of its name; never that of the address. Whoever logs in otherwise
    (``force_login``, ``login()`` after a sign-up) is not limited. A subclass may count by `charges` of its own.
    """

    @sensitive_variables()
    def authenticate(self, request: Any, username: Any = None, password: Any = None, **credentials: Any) -> Any:
        """Return the user, or None. Raises PermissionDenied when there were too many attempts."""
        inherited, given = super().authenticate, _given(username, password, credentials)  # type: ignore[misc]
        if not _takes(inherited, request, given):
            return None
        if _checking.get():
            return inherited(request, **given)
        attempt = self._attempt(request, given)
        if not all(admit(request, attempt)):
            raise _refusal()
        with _checking_password():
            user = inherited(request, **given)
        if user is not None:
            _welcome(request)
            forgive(attempt)
        return user

    @sensitive_variables()
    async def aauthenticate(self, request: Any, username: Any = None, password: Any = None, **credentials: Any) -> Any:
        """Return the user, or None. Raises PermissionDenied when there were too many attempts."""
        inherited, given = super().authenticate, _given(username, password, credentials)  # type: ignore[misc]
        if not _takes(inherited, request, given):
            return None
        attempt = self._attempt(request, given)
        if not all(await aadmit(request, attempt)):
            raise _refusal()
        with _checking_password():
            user = await (getattr(super(), "aauthenticate", None) or sync_to_async(inherited))(request, **given)
        if user is not None:
            _welcome(request)
            await aforgive(attempt)
        return user

    def charges(self, request: HttpRequest | None, name: str) -> list[Charge]:
        """Return what an attempt at *name*, in its one spelling, costs. Without a *request* no address counts."""
        network = client_network(request) if request is not None else None
        identities: dict[str, Identity] = {EVERYBODY: "everybody", USERNAME: ("username", name)}
        if network is not None:
            identities |= {IP: ("ip", network), BOTH: ("ip", network, "username", name)}
        return [Charge(rule(which), identity) for which, identity in identities.items()]

    def _attempt(self, request: Any, given: dict[str, Any]) -> Attempt:
        name = self._name(given)
        if name is None or "password" not in given:  # it is no attempt at a password
            return Attempt([])
        return Attempt(self.charges(request, folded(str(name))))

    def _name(self, given: dict[str, Any]) -> Any:
        """Return who it is about: the user name, else the first text by another word, such as ``email``."""
        others = (value for word, value in given.items() if word != "password" and isinstance(value, str))
        return _username(given) or next(others, None)


class RateLimitedModelBackend(LoginRateLimit, ModelBackend):
    """``AUTHENTICATION_BACKENDS = ["django_redis_patterns.ratelimit.backends.RateLimitedModelBackend"]``."""

    def _name(self, given: dict[str, Any]) -> Any:
        return _username(given)  # ModelBackend looks at no password without it


def _username(given: dict[str, Any]) -> Any:
    return given.get("username", given.get(get_user_model().USERNAME_FIELD))


def _given(username: Any, password: Any, credentials: dict[str, Any]) -> dict[str, Any]:
    """Return what was given, and no more: a backend need not know these two words."""
    known = {"username": username, "password": password}
    return {word: value for word, value in known.items() if value is not None} | credentials


def _takes(check: Callable[..., Any], request: Any, given: dict[str, Any]) -> bool:
    """Return whether *check* can be called so. Django skips a backend that cannot, and sees our signature only."""
    try:
        signature(check).bind(request, **given)
    except TypeError:
        return False
    return True


async def _admit(io: IO, request: HttpRequest | None, attempt: Attempt) -> Sequence[Decision]:
    """Charge *attempt*, and return what was decided. The middleware, which answers, hears what has denied it."""
    attempt.decisions = await _evaluate(io, attempt.charges)
    await _announce(io, request, attempt.decisions)
    denials = [decision for decision in attempt.decisions if not decision]
    if denials and request is not None:  # the counts of the other rules are nobody's business
        verdict_of(request).refusals += denials
    return attempt.decisions


async def _forgive(io: IO, attempt: Attempt) -> bool:
    """Clear the counts of the name, and give the others their charge back, in one trip; return whether it was done."""
    own = [charge for charge in attempt.charges if charge.rule.name in (USERNAME, BOTH)]
    others = [one for one in attempt.decisions if one.rule not in (USERNAME, BOTH)]
    clear = [Limiter.of(charge.rule)._reset(io.on(charge.rule.alias), charge.identity) for charge in own]
    try:
        await io.gather(_give_back(io, others), *clear)
    except RedisUnavailable as error:
        logger.warning("A login that succeeded stays charged: %s", error)
        return False
    return True


admit, aadmit = both(_admit)
forgive, aforgive = both(_forgive)


@contextmanager
def _checking_password() -> Iterator[None]:
    token = _checking.set(True)
    try:
        yield
    finally:
        _checking.reset(token)


def _refusal() -> PermissionDenied:
    return PermissionDenied("Too many attempts to log in.")


def _welcome(request: Any) -> None:
    """Forget that the same request was refused as somebody else: its view has tried two names, and one is right."""
    if request is not None:
        verdict_of(request).refusals.clear()
