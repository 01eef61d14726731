"""What the guide says is so."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.test import override_settings
from django.views import View
from rest_framework.views import APIView

import django_redis_patterns.ratelimit
from django_redis_patterns.ratelimit import Rate
from django_redis_patterns.ratelimit.request_rules import every_declared
from tests.ratelimit.clocked import Clocked

GUIDE = (Path(django_redis_patterns.ratelimit.__file__).parent / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
RULES = {name: {"rate": "9/d"} for name in ("api", "ip", "user", "all")}


@pytest.fixture
def names() -> dict[str, Any]:
    """What the examples take for granted."""
    return {
        "user": User(pk=7),
        "address": "192.0.2.7",
        "View": View,
        "APIView": APIView,
        "LDAPBackend": ModelBackend,
        "AsyncJsonWebsocketConsumer": AsyncJsonWebsocketConsumer,
    }


@pytest.fixture(autouse=True)
def shop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that an example names."""
    limits = ModuleType("shop.limits")
    limits.of_plan = limits.cost = lambda request: 1  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    monkeypatch.setitem(sys.modules, "shop.limits", limits)


def test_the_examples_run(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """In order, but for what awaits."""
    with override_settings(REDIS_PATTERNS=_settings() | {"RATELIMIT": {"RULES": RULES}}):
        for block in BLOCKS:
            exec(re.sub(r"(?m)^await (.*?)  #.*$", r"\1.close()", block), names)
    assert capsys.readouterr().out == ""
    assert [decision.remaining for decision in names["decisions"]] == [8, 7, 8]


@pytest.mark.parametrize(
    ("number", "names", "of_middleware"),
    [(0, ["site", "api", "write", "search"], ["site", "api", "write"]), (1, ["api", "login", "burst"], [])],
)
def test_the_settings_are_rules(number: int, names: list[str], of_middleware: list[str]) -> None:
    """All of the examples'."""
    block = [block for block in BLOCKS if "REDIS_PATTERNS" in block][number]
    found: dict[str, Any] = {}
    exec(block, found)
    with override_settings(REDIS_PATTERNS=_settings() | found["REDIS_PATTERNS"]):
        declared = every_declared()
        assert list(declared) == names
        assert [name for name, rule in declared.items() if rule.match] == of_middleware


def test_the_picture_is_true(redis_server: Any, bare_redis: redis.Redis) -> None:
    """Of each algorithm, at each moment."""
    rows = [line.strip("| ").split(" | ") for line in GUIDE.splitlines() if "●" in line and line.startswith("|")]
    head = next(line for line in GUIDE.splitlines() if "00:50" in line)
    moments = [int(m) * 60 + int(s) for m, s in re.findall(r"(\d\d):(\d\d)", head)]
    base = 1_800_000_000
    assert base % 3600 == 0
    seen = set()
    for row in rows:
        for algorithm in re.findall(r"`(\w+)`", row[0]):
            clocked = Clocked(bare_redis)
            for moment in moments:
                for _ in range(2):
                    clocked.hit((base + moment) * 1_000_000, "ann", Rate.parse("4/m"), algorithm)
            told = "".join("●" if reading.is_charged else "✗" for (reading,) in clocked.told())
            assert told == "".join(row[1 : 1 + len(moments)])
            seen.add(algorithm)
    assert seen == {"sliding", "log", "fixed", "bucket"}


def _settings() -> dict[str, Any]:
    from django.conf import settings

    return dict(settings.REDIS_PATTERNS)
