"""The grammar of rates, and what a rule may be: everything that is not clear is refused, and said how to write."""

import re
from typing import Any

import pytest
from django.test import override_settings

from django_redis_patterns.exceptions import InvalidConfiguration
from django_redis_patterns.ratelimit import Limiter, Rate
from django_redis_patterns.ratelimit.rules import Rule, rule, rules


@pytest.mark.parametrize(
    ("text", "limit", "period"),
    [
        ("1/s", 1, 1),
        ("10/sec", 10, 1),
        ("10/10second", 10, 10),
        ("100/m", 100, 60),
        ("100/min", 100, 60),
        ("5/15minute", 5, 900),
        ("7/h", 7, 3600),
        ("7/2hour", 7, 7200),
        ("5000/d", 5000, 86400),
        ("5000/day", 5000, 86400),
        ("1/w", 1, 604800),
        ("1/2week", 1, 1209600),
        ("007/060s", 7, 60),
    ],
)
def test_a_rate(text: str, limit: int, period: int) -> None:
    """N, a slash, how many of a unit, and nothing beside them."""
    assert Rate.parse(text) == Rate(limit, period)


@pytest.mark.parametrize(
    ("text", "short"), [("60/60s", "60/m"), ("5/900s", "5/15m"), ("1/7d", "1/w"), ("1/8d", "1/8d")]
)
def test_a_rate_is_said_in_its_shortest_form(text: str, short: str) -> None:
    """And what is said can be read again."""
    assert str(Rate.parse(text)) == short
    assert Rate.parse(short) == Rate.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "5", "5/", "/m", "m/5", "5 / m", " 5/m", "5/m ", "5/m\n", "-5/m", "+5/m", "5.0/m", "5/1.5m", "5/-1m"),
        *("5/mm", "5/mo", "5/month", "5/mon", "5/year", "5/y", "5/M", "5/S", "5/ms", "5/us", "5/minutes", "5/xm", "5m"),
        *(
            "0/m",
            "5/0m",
            "5/00s",
            "1e3/m",
            "1_000/m",
            "\u0665/m",
            "5/\u0665m",
            "9999999999/s",
            "1/367d",
            "5/999999999w",
            "5//m",
        ),
        *("5/m/h", "5/m;10/h", "login:5/m", "0x5/m", "5/m5", None, 5, 5.0, ["5/m"], ("5/m",)),
    ],
)
def test_no_rate(text: Any) -> None:
    """django-ratelimit took `1/month` for a minute, and `5/w` for a second."""
    with pytest.raises(ValueError, match="is no rate"):
        Rate.parse(text)


def test_a_month_has_no_length() -> None:
    """The message says what to write."""
    with pytest.raises(ValueError, match="a month has no fixed length: write 30d"):
        Rate.parse("1/month")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rates": []}, "Rule 'x' needs rates"),
        ({"rates": ["5/m", "5/60s"]}, "each of them once"),
        (
            {"rates": ["5/m"], "algorithm": "slidng"},
            "algorithm is one of 'sliding', 'log', 'fixed', 'bucket', not 'slidng'",
        ),
        ({"rates": ["5/m"], "on_unavailable": "opne"}, "on_unavailable is one of 'open', 'closed', not 'opne'"),
        ({"rates": ["5/m"], "burst": 7}, "burst is for algorithm=\"bucket\", and rule 'x' has 'sliding'"),
        ({"rates": ["5/m", "9/h"], "burst": 7, "algorithm": "bucket"}, "burst goes with one rate, and rule 'x' has 2"),
        ({"rates": ["5/m"], "burst": 0, "algorithm": "bucket"}, "burst is 1 or more, not 0"),
        ({"rates": ["100003/d"], "burst": 200_000, "algorithm": "bucket"}, "A bucket cannot count 100003/d exactly"),
        ({"rates": ["5001/d"], "algorithm": "log"}, 'takes limits up to 5000; use "sliding" for 5001'),
    ],
)
def test_a_mistake_in_a_rule_is_named(options: dict[str, Any], message: str) -> None:
    """In code it is a ValueError, in the settings an `InvalidConfiguration` that names the rule."""
    given = dict(options)
    with pytest.raises(ValueError, match=re.escape(message)):
        Limiter("x", *given.pop("rates"), **given)
    with override_settings(REDIS_PATTERNS={"RATELIMIT": {"RULES": {"x": options}}}):
        with pytest.raises(InvalidConfiguration) as told:
            rules()
        assert "RATELIMIT.RULES['x']" in str(told.value)
        assert message in str(told.value)


def test_a_bucket_counts_in_the_largest_units_it_can() -> None:
    """A round number of a long period needs few: what looks like too much is exact."""
    for text in ("200000/d", "1000000/w", "1000000/366d"):
        assert Limiter("x", text, algorithm="bucket").hit("ann").remaining == Rate.parse(text).limit - 1


def test_a_rule_has_a_name() -> None:
    """Empty names would share a counter."""
    with pytest.raises(ValueError, match="A rule has a name"):
        Limiter("", "5/m")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": "5/m"}, "must be a name and a dict, not str"),
        ({5: {"rate": "5/m"}}, "RULES[5] must be a name and a dict"),
        ({"x": {"rat": "5/m"}}, "Did you mean 'rate'?"),
        ({"x": {"rate": "5/m", "algoritm": "log"}}, "Did you mean 'algorithm'?"),
        ({"x": {"rate": "5/month"}}, "a month has no fixed length"),
        ({"x": {"rate": 5}}, "RATELIMIT.RULES['x']"),
        (
            {"x": {"rate": "5/m", "connection": "defualt"}},
            "RULES['x'].connection names no connection 'defualt'. Did you",
        ),
        ({"x": {"name": "y", "rate": "5/m"}}, "has no option 'name'"),
    ],
)
def test_a_mistake_in_the_settings_is_named(given: Any, message: str) -> None:
    """With the rule, and what was probably meant."""
    with (
        override_settings(REDIS_PATTERNS={"RATELIMIT": {"RULES": given}}),
        pytest.raises(InvalidConfiguration) as caught,
    ):
        rules()
    assert message in str(caught.value)


def test_rules_of_the_settings() -> None:
    """By name; both words for rates will do; they follow the settings."""
    given = {
        "api": {"rates": ["100/m", "5000/d"]},
        "burst": {"rate": "20/s", "algorithm": "bucket", "burst": 40, "shadow": True},
    }
    with override_settings(REDIS_PATTERNS={"RATELIMIT": {"RULES": given, "ON_UNAVAILABLE": "closed"}}):
        assert rule("api") == Rule(name="api", rates=(Rate(100, 60), Rate(5000, 86400)))
        burst = Limiter.rule("burst").declared
        assert (burst.burst, burst.shadow, rule("api").shadow) == (40, True, False)
        assert not rule("api").is_open
        with pytest.raises(InvalidConfiguration, match=r"has no rule 'apy'\. Did you mean 'api'"):
            Limiter.rule("apy")
    assert rules() == {}


def test_a_rule_keeps_to_its_connection() -> None:
    """Its own, else that of the room."""
    connections = dict.fromkeys(("default", "room", "mine"), "redis://127.0.0.1:1")
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": connections, "RATELIMIT": {"CONNECTION": "room"}}):
        assert Limiter("x", "5/m").connection == "room"
        assert Limiter("x", "5/m", connection="mine").connection == "mine"
