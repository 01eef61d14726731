"""Whom a rule counts: from a request to an identity.

    "ip"  "user"  "user_or_ip"  "header:X-Org"  "post:username"  a callable or its dotted path  a list of these

An identity is ``("ip", "192.0.2.7")`` or ``("user", "7")``, several of them one after the other, or what a callable
says. None means that the rule counts nobody here: ``user`` without a login, ``ip`` over a unix socket that is not
trusted, a callable that says None. Who leaves a header or a field out is counted as well: it is no way around a limit.
"""

import logging
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string

from django_redis_patterns.core import trace
from django_redis_patterns.core.client_ip import client_network
from django_redis_patterns.core.operations import IO
from django_redis_patterns.exceptions import InvalidConfiguration

from .identity import Identity

logger = logging.getLogger("django_redis_patterns.ratelimit")

Ask = Callable[[HttpRequest], Any]
Key = str | Ask | Sequence["str | Ask"]

WORDS = ("ip", "user", "user_or_ip")
PREFIXES = ("header:", "post:")
LONGEST_NAME = 1024  # characters
DJANGOS = "django.contrib.auth.middleware"
UNSEEN = ("Mn", "Me", "Cf", "Cc")  # accents, and what takes no room: collations ignore them
OVERLONG = "\0"  # all names that are too long for a database are one, which nobody has


def folded(name: str) -> str:
    """Return *name* as one spelling: who types ``ANN ``, fullwidth or ``änn`` may guess at ``ann`` in some database."""
    if len(name) > LONGEST_NAME:
        return OVERLONG
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    return "".join(char for char in plain if unicodedata.category(char) not in UNSEEN).strip()


def asks_for_user(key: Key) -> bool:
    """Return whether *key* needs to know who is logged in. A callable may, so it does."""
    return any(part in ("user", "user_or_ip") or callable(part) for part in parts(key))


def parts(key: Key) -> tuple[str | Ask, ...]:
    """Return the parts of *key*, dotted paths imported. Raises `InvalidConfiguration` that says what to write."""
    given = (key,) if isinstance(key, str) or callable(key) else tuple(key)
    if not given:
        raise InvalidConfiguration("A rate limit has an empty key: name at least one part.")
    return tuple(_part(part) for part in given)


def user_of(request: HttpRequest) -> Any:
    """Return who is logged in, None if nobody is."""
    return _known(request.user) if hasattr(request, "user") else _no_users()


async def auser_of(request: HttpRequest) -> Any:
    """Return who is logged in, on the event loop."""
    user = getattr(request, "user", None)
    if not isinstance(user, SimpleLazyObject):
        return user_of(request)
    if vars(user)["_setupfunc"].__module__ == DJANGOS:
        return _known(await request.auser())
    return await sync_to_async(user_of)(request)  # a middleware's own, which may ask a database


async def identify(io: IO, request: HttpRequest, key: Key, user: Ask = user_of) -> Identity | None:
    """Return the identity that *key* means in *request*, None when it means nobody; *user* says who is logged in."""
    among = parts(key)
    if len(among) == 1 and callable(among[0]):
        return cast("Identity | None", await io.call(among[0], request))
    found: tuple[str, ...] = ()
    for part in among:
        identity = await _identity(io, request, part, user)
        if identity is None:
            return None
        found += identity
    return found


def _known(user: Any) -> Any:
    return user if user is not None and user.is_authenticated else None


def _no_users() -> None:
    raise InvalidConfiguration("A rate limit counts by user: it needs Django's AuthenticationMiddleware in MIDDLEWARE.")


def _part(part: Any) -> str | Ask:
    if not isinstance(part, str):
        if callable(part):
            return cast(Ask, part)
        raise InvalidConfiguration(f"A rate limit has the key {part!r}: it must be a text or a callable.")
    if part in WORDS or (part.startswith(PREFIXES) and not part.endswith(":")):
        return part
    return _imported(part)


@cache
def _imported(path: str) -> Ask:
    try:
        found: Any = import_string(path)
    except ImportError:
        found = None
    if not callable(found):
        known = ", ".join([*WORDS, *(f"{prefix}NAME" for prefix in PREFIXES)])
        raise InvalidConfiguration(f"A rate limit has the key {path!r}: write {known}, or the path of a callable.")
    return cast(Ask, found)


async def _identity(io: IO, request: HttpRequest, part: str | Ask, user: Ask) -> tuple[str, ...] | None:
    if not isinstance(part, str):
        answer = await io.call(part, request)
        return None if answer is None else ("said", str(answer))
    kind, _, name = part.partition(":")
    match kind:
        case "header":
            return _sent(part, request.headers.get(name))
        case "post":
            return _sent(part, await io.call(_field, request, name))  # reading an upload would hold up a loop
        case "ip":
            return _ip(request)
    known = await io.call(user, request)
    if known is not None:
        return ("user", str(known.pk))
    return _ip(request) if kind == "user_or_ip" else None


def _sent(part: str, value: str | None) -> tuple[str, ...]:
    return (f"no {part}",) if value is None else (part, value)


def _field(request: HttpRequest, name: str) -> str | None:
    """Return the field as one spelling; a body that cannot be read has no fields, and is the view's to refuse."""
    try:
        value = request.POST.get(name)
    except (SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        return None
    return None if value is None else folded(value)


def _ip(request: HttpRequest) -> tuple[str, ...] | None:
    network = client_network(request)
    if network is not None:
        return ("ip", network)
    trace.count("ratelimit.unknown_ip")
    _say_that_ips_are_unknown()
    return None


@cache
def _say_that_ips_are_unknown() -> None:
    logger.warning("Nobody knows the addresses of clients, so limits by ip count nobody: see TRUSTED_PROXIES.")
