"""Rules: what is limited, and how. Declared in code, or under ``REDIS_PATTERNS["RATELIMIT"]["RULES"]``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from math import gcd
from typing import Any, Literal, TypeAlias, get_args

from django_redis_patterns.conf import RateLimit, settings
from django_redis_patterns.conf.values import known
from django_redis_patterns.exceptions import InvalidConfiguration

from .rate import Rate

Algorithm: TypeAlias = Literal["sliding", "log", "fixed", "bucket"]
Policy: TypeAlias = Literal["open", "closed"]
ALGORITHMS = get_args(Algorithm)
POLICIES = get_args(Policy)
#: The most that a log may hold for one identity: it keeps an entry for each unit of cost.
LONGEST_LOG = 5000
#: Doubles, which Lua counts in, are exact below this.
EXACT = 2**53
US = 1_000_000
#: What a rule of the settings may say about requests (``request_rules.py`` reads it).
OF_REQUESTS = frozenset({"key", "match", "methods", "cost", "rates_for", "count_if"})


@dataclass(frozen=True, kw_only=True)
class Rule:
    """All of its ``rates`` hold, for each identity. What does not go together raises ValueError.

    ``burst`` (bucket only): how much may come at once; the limit of the rate unless it is said.
    ``on_unavailable``: "open" or "closed"; what the settings say unless it is said here.
    ``shadow``: count and tell, deny nobody. ``connection``: an alias; that of the room unless it is said.
    """

    name: str
    rates: tuple[Rate, ...]
    algorithm: Algorithm = "sliding"
    burst: int | None = None
    on_unavailable: Policy | None = None
    shadow: bool = False
    connection: str | None = None

    def __post_init__(self) -> None:
        _is_one_of("algorithm", self.algorithm, ALGORITHMS)
        if self.on_unavailable is not None:
            _is_one_of("on_unavailable", self.on_unavailable, POLICIES)
        if not isinstance(self.shadow, bool):
            raise ValueError(f"shadow is True or False, not {self.shadow!r}.")
        if not self.name:
            raise ValueError(f'A rule has a name, such as "login", not {self.name!r}.')
        if not self.rates or len(set(self.rates)) < len(self.rates):
            raise ValueError(f'Rule {self.name!r} needs rates, such as "100/m", each of them once.')
        if self.algorithm == "log" and (most := max(rate.limit for rate in self.rates)) > LONGEST_LOG:
            raise ValueError(f'A log keeps every hit and takes limits up to {LONGEST_LOG}; use "sliding" for {most}.')
        self._check_burst()

    @property
    def alias(self) -> str:
        """The alias of the connection that counts."""
        return self.connection or settings().ratelimit.connection

    @property
    def is_open(self) -> bool:
        """Whether it lets everything through while Redis is away."""
        return (self.on_unavailable or settings().ratelimit.on_unavailable) == "open"

    def _check_burst(self) -> None:
        if self.algorithm != "bucket":
            if self.burst is not None:
                raise ValueError(f'burst is for algorithm="bucket", and rule {self.name!r} has {self.algorithm!r}.')
            return
        if len(self.rates) > 1 and self.burst is not None:
            raise ValueError(f"burst goes with one rate, and rule {self.name!r} has {len(self.rates)}.")
        if self.burst is not None and self.burst < 1:
            raise ValueError(f"burst is 1 or more, not {self.burst}.")
        for rate in self.rates:
            if (self.burst or rate.limit) * drain(rate)[0] >= EXACT:
                raise ValueError(f"A bucket cannot count {rate} exactly: take a rounder number, or a lower burst.")


def drain(rate: Rate) -> tuple[int, int]:
    """Return the level that one unit of cost adds to a bucket, and the level that drains in a microsecond."""
    period = rate.period * US
    common = gcd(rate.limit, period)
    return period // common, rate.limit // common


def rule(name: str) -> Rule:
    """Return the rule *name*, of the settings or of logins. Raises `InvalidConfiguration` naming what is wrong."""
    found = {**OF_LOGINS, **rules()}
    known(name, found, "REDIS_PATTERNS RATELIMIT.RULES has no rule", "rules")
    return found[name]


def of_code(name: str) -> Rule:
    """Return the rule *name* for use without a request. Raises `InvalidConfiguration` also if its rates need one."""
    found = rule(name)
    if settings().ratelimit.rules.get(name, {}).get("rates_for"):
        raise InvalidConfiguration(
            f"The rates of rule {name!r} depend on the request (rates_for), and here is none: "
            "use @ratelimit(rule=...), or make a Limiter of this name with the rates that hold."
        )
    return found


_parsed: tuple[RateLimit | None, Mapping[str, Rule]] = (None, {})


def rules() -> Mapping[str, Rule]:
    """Return all rules of the settings, by name. Raises `InvalidConfiguration` naming what is wrong."""
    global _parsed
    section = settings().ratelimit
    of, found = _parsed
    if of is not section:
        found = {name: _rule(name, given) for name, given in section.rules.items()}
        _parsed = (section, found)
    return found


def _rule(name: Any, given: Any) -> Rule:
    where = f"REDIS_PATTERNS RATELIMIT.RULES[{name!r}]"
    if not isinstance(name, str) or not isinstance(given, Mapping):
        raise InvalidConfiguration(f"{where} must be a name and a dict, not {type(given).__name__}.")
    options = {option.name for option in fields(Rule)} - {"name"} | {"rate"} | OF_REQUESTS
    for option in given:
        known(option, options, f"{where} has no option", "options")
    values = {option: value for option, value in given.items() if option not in OF_REQUESTS}
    try:
        rates = parsed(_listed(values.pop("rate", ())) + _listed(values.pop("rates", ())))
        found = Rule(name=name, rates=rates, **values)
    except (TypeError, ValueError) as error:
        raise InvalidConfiguration(f"{where}: {error}") from error
    known(found.alias, settings().connections, f"{where}.connection names no connection", "connections")
    return found


def parsed(rates: Iterable[str | Rate]) -> tuple[Rate, ...]:
    """Return *rates* as such; texts are read by `Rate.parse`."""
    return tuple(rate if isinstance(rate, Rate) else Rate.parse(rate) for rate in rates)


def _listed(rates: Any) -> list[Any]:
    return [rates] if isinstance(rates, str | Rate) else list(rates)


def _is_one_of(option: str, value: Any, values: Iterable[str]) -> None:
    if value not in values:
        raise ValueError(f"{option} is one of {', '.join(map(repr, values))}, not {value!r}.")


#: What logins are limited to where the settings have no rules of these names (``backends.py`` says what they count).
#: Closed: else who asks so often that Redis does not answer in time would guess without a limit.
OF_LOGINS: Mapping[str, Rule] = {
    name: Rule(name=name, rates=(Rate.parse(rate),), on_unavailable="closed")
    for name, rate in {
        "login-ip": "50/15m",
        "login-username": "50/h",
        "login-ip-username": "5/15m",
        "login-everybody": "20000/h",
    }.items()
}
