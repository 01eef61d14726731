"""What the guide says is so."""

import re
from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import override_settings

import django_redis_patterns.ratelimit
from django_redis_patterns.ratelimit import Limiter, Rate
from django_redis_patterns.ratelimit.rules import rules
from tests.ratelimit.clocked import Clocked

GUIDE = (Path(django_redis_patterns.ratelimit.__file__).parent / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
RULES = {name: {"rate": "9/d"} for name in ("api", "ip", "user", "all")}


@pytest.fixture
def names() -> dict[str, Any]:
    """What the examples take for granted."""
    return {"user": User(pk=7), "address": "192.0.2.7"}


def test_the_examples_run(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """In order, but for what awaits."""
    with override_settings(REDIS_PATTERNS=_settings() | {"RATELIMIT": {"RULES": RULES}}):
        for block in BLOCKS:
            exec(re.sub(r"(?m)^await (.*?)  #.*$", r"\1.close()", block), names)
    assert capsys.readouterr().out == ""
    assert [decision.remaining for decision in names["decisions"]] == [8, 7, 8]


def test_the_settings_are_rules() -> None:
    """All of the example's."""
    (block,) = [block for block in BLOCKS if "REDIS_PATTERNS" in block]
    found: dict[str, Any] = {}
    exec(block, found)
    with override_settings(REDIS_PATTERNS=_settings() | found["REDIS_PATTERNS"]):
        assert list(rules()) == ["api", "login", "burst"]
        assert Limiter.rule("burst").declared.shadow


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
