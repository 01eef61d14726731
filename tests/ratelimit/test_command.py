"""``manage.py redis limits``."""

import io
import json
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings

from django_redis_patterns.ratelimit import Limiter

RULES = {
    "api": {"rates": ["100/m", "5000/d"]},
    "login": {"rate": "2/15m", "algorithm": "log", "on_unavailable": "closed"},
    "burst": {"rate": "20/s", "algorithm": "bucket", "burst": 40, "shadow": True},
}


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    with override_settings(REDIS_PATTERNS=settings.REDIS_PATTERNS | {"RATELIMIT": {"RULES": RULES}}):
        yield


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("redis", "limits", *args, stdout=out)
    return out.getvalue()


def denied(*args: str) -> str:
    """Return what is printed before the program ends with exit code 1."""
    out = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("redis", "limits", *args, stdout=out)
    assert end.value.code == 1
    return out.getvalue()


def test_list_names_every_rule() -> None:
    """With what it says, and what the settings say for it."""
    assert [line.split() for line in run("list").splitlines()] == [
        ["login-ip", "sliding", "closed", "50/15m"],
        ["login-username", "sliding", "closed", "50/h"],
        ["login-ip-username", "sliding", "closed", "5/15m"],
        ["login-everybody", "sliding", "closed", "20000/h"],
        ["api", "sliding", "open", "100/m", "5000/d"],
        ["login", "log", "closed", "2/15m"],
        ["burst", "bucket", "open", "shadow", "20/s"],
    ]
    told = {row["rule"]: row for row in json.loads(run("list", "--json"))}
    assert told["burst"] == {
        "rule": "burst",
        "rates": ["20/s"],
        "algorithm": "bucket",
        "burst": 40,
        "on_unavailable": "open",
        "shadow": True,
        "connection": "default",
    }


def test_peek_shows_what_is_left() -> None:
    """Of each rate; the exit code tells whether a hit would be denied."""
    Limiter.rule("api").hit(("ip", "192.0.2.7"), 7)
    lines = run("peek", "api", "ip", "192.0.2.7").splitlines()
    assert [line.split()[:5] for line in lines] == [
        ["100/m", "93", "of", "100", "left,"],
        ["5000/d", "4993", "of", "5000", "left,"],
    ]
    Limiter.rule("login").hit("ann", 2)
    assert denied("peek", "login", "ann").split()[:8] == ["2/15m", "0", "of", "2", "left,", "all", "of", "it"]
    told = json.loads(denied("peek", "login", "ann", "--json"))
    assert (told["rule"], told["allowed"], told["exceeded"]) == ("login", False, True)
    assert [(rate["rate"], rate["limit"], rate["remaining"]) for rate in told["rates"]] == [("2/15m", 2, 0)]
    assert 890 < told["rates"][0]["retry_after"] <= 900


def test_reset_gives_all_of_it_back() -> None:
    """To one identity; a number is its text."""
    for who in (7, 8):
        Limiter.rule("login").hit(who, 2)
    assert run("reset", "login", "7") == "login: 7 starts afresh\n"
    assert json.loads(run("reset", "login", "9", "--json")) == {"rule": "login", "identity": ["9"]}
    assert Limiter.rule("login").hit(7, 2)
    assert not Limiter.rule("login").hit(8)


def test_a_rule_that_is_not_there_is_an_error() -> None:
    """It says what there is."""
    with pytest.raises(CommandError, match=r"has no rule 'logni'\. Did you mean 'login'\?"):
        run("peek", "logni", "ann")


@pytest.mark.parametrize("action", ["peek", "reset"])
def test_a_rule_whose_rates_depend_on_the_request_is_refused(action: str) -> None:
    """What is charged there has a rate, and so a counter, that only the request knows."""
    rules = {"search": {"rate": "60/m", "rates_for": "builtins.str"}}
    patterns = settings.REDIS_PATTERNS | {"RATELIMIT": {"RULES": rules}}
    with override_settings(REDIS_PATTERNS=patterns), pytest.raises(CommandError, match="depend on the request"):
        run(action, "search", "ip", "192.0.2.7")
