"""Rules of requests: which a rule counts, for whom, and how much.

Declared by `ratelimit`, by a DRF throttle, or under ``REDIS_PATTERNS["RATELIMIT"]["RULES"]``, where those with a
``match`` are the middleware's own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils.module_loading import import_string

from django_redis_patterns.conf import RateLimit, settings
from django_redis_patterns.core.operations import IO
from django_redis_patterns.exceptions import InvalidConfiguration

from . import rules
from .keys import Key, asks_for_user, parts
from .matching import Match, is_of, parse_methods
from .rate import Rate
from .rules import Rule

Rates = str | Rate | Sequence[str | Rate]
Cost = int | Callable[[HttpRequest], Any]


@dataclass(frozen=True, kw_only=True)
class RequestRule:
    """``cost``: a number, or a callable that takes the request; 0 is not counted.

    ``rates_for``: a callable that takes the request and returns its rates; None means those of the rule.
    ``count_if``: a callable that takes the response; when it says False, what was charged is given back.
    """

    rule: Rule
    key: Key = "user_or_ip"
    match: Match | None = None
    methods: frozenset[str] | None = None
    cost: Cost = 1
    rates_for: Callable[[HttpRequest], Any] | None = None
    count_if: Callable[[HttpResponseBase], Any] | None = None

    def covers(self, request: HttpRequest) -> bool:
        """Return whether it counts *request* at all."""
        return is_of(request, self.methods) and (self.match is None or self.match.covers(request))

    @property
    def asks_for_user(self) -> bool:
        """Whether it may have to know who is logged in."""
        return asks_for_user(self.key) or any(map(callable, (self.cost, self.rates_for)))

    async def rule_for(self, io: IO, request: HttpRequest) -> Rule:
        """Return the rule with the rates that hold for *request*."""
        rates = await io.call(self.rates_for, request) if self.rates_for else None
        return self.rule if rates is None else _with_rates(self.rule, _tuple(rates))

    async def cost_of(self, io: IO, request: HttpRequest) -> int:
        """Return what *request* costs."""
        return int(await io.call(self.cost, request) if callable(self.cost) else self.cost)


_CALLABLES = ("cost", "rates_for", "count_if")


def build(rule: Rule, given: Mapping[str, Any]) -> RequestRule:
    """Return *rule* with the options of *given*, dotted paths imported. Raises ValueError naming what is wrong."""
    values = dict(given)
    for option in _CALLABLES:
        if isinstance(values.get(option), str):
            values[option] = _imported(option, values[option])
        _check(option, values.get(option))
    if "match" in values and not isinstance(values["match"], Match):
        values["match"] = Match.parse(values["match"])
    if "methods" in values:
        values["methods"] = parse_methods(values["methods"])
    key = values.get("key", RequestRule.key)
    values["key"] = key if isinstance(key, str) or callable(key) else tuple(key)
    parts(values["key"])
    return RequestRule(rule=rule, **values)


def declared(name: str) -> RequestRule:
    """Return the rule *name* of the settings. Raises `InvalidConfiguration` naming what is wrong."""
    rules.rule(name)
    return every_declared()[name]


_built: tuple[RateLimit | None, Mapping[str, RequestRule]] = (None, {})


def every_declared() -> Mapping[str, RequestRule]:
    """Return all rules of the settings, by name. Raises `InvalidConfiguration` naming what is wrong."""
    global _built
    section = settings().ratelimit
    of, found = _built
    if of is not section:
        found = {name: _declared(rule, section.rules[name]) for name, rule in rules.rules().items()}
        _built = (section, found)
    return found


def _declared(rule: Rule, given: Mapping[str, Any]) -> RequestRule:
    try:
        return build(rule, {option: value for option, value in given.items() if option in rules.OF_REQUESTS})
    except (TypeError, ValueError, InvalidConfiguration) as error:
        raise InvalidConfiguration(f"REDIS_PATTERNS RATELIMIT.RULES[{rule.name!r}]: {error}") from error


def _imported(option: str, path: str) -> Any:
    try:
        return import_string(path)
    except ImportError as error:
        raise ValueError(f"{option} names {path!r}, which cannot be imported: {error}") from None


def _check(option: str, value: Any) -> None:
    """Raise ValueError now for what the first request would stumble over."""
    is_number = option == "cost" and type(value) is int and value >= 0
    if not (value is None or callable(value) or is_number):
        number = "a whole number, " if option == "cost" else ""
        raise ValueError(f"{option} is {number}a callable or its dotted path, not {value!r}.")


@lru_cache(maxsize=1024)
def _with_rates(rule: Rule, rates: tuple[str | Rate, ...]) -> Rule:
    return replace(rule, rates=rules.parsed(rates))


def _tuple(rates: Any) -> tuple[str | Rate, ...]:
    return (rates,) if isinstance(rates, str | Rate) else tuple(rates)
