from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings

ENGINE = "django_redis_patterns.sessions"
OURS = "django_redis_patterns.sessions.SessionMiddleware"
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
DATABASE = "django.contrib.sessions.backends.db"
REDIS = {"default": "redis://localhost:6379/0"}
CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://localhost:6379/0"}}
PICKLE = "tests.Pickle"


def found() -> list[str]:
    return [message.id for message in run_checks(tags=["redis_patterns"]) if message.id]


@pytest.mark.parametrize(
    ("expected", "overrides"),
    [
        ([], {}),
        (["redis_patterns.E001"], {"REDIS_PATTERNS": {"PREFX": "shop"}}),
        (["redis_patterns.E001"], {"REDIS_PATTERNS": {}}),  # the default cache is no Redis
        (["redis_patterns.E001"], {"REDIS_PATTERNS": "redis://x"}),
        ([], {"REDIS_PATTERNS": {}, "CACHES": CACHES, "SESSION_ENGINE": DATABASE, "MIDDLEWARE": [DJANGOS]}),
        (["redis_patterns.W001"], {"REDIS_PATTERNS": {"CONNECTIONS": REDIS}, "CACHES": CACHES}),
        (["redis_patterns.W001"], {"REDIS_PATTERNS": {}, "CACHES": CACHES}),
        ([], {"REDIS_PATTERNS": {"CONNECTIONS": {"default": "redis://localhost:6379/1"}}, "CACHES": CACHES}),
        (["redis_patterns.E101"], {"SESSION_ENGINE": DATABASE, "MIDDLEWARE": [OURS]}),
        (["redis_patterns.W101"], {"SESSION_ENGINE": ENGINE, "MIDDLEWARE": [DJANGOS]}),
        ([], {"SESSION_ENGINE": DATABASE, "MIDDLEWARE": [DJANGOS]}),
        (["redis_patterns.W102"], {"SESSION_SERIALIZER": PICKLE}),
        ([], {"SESSION_SERIALIZER": PICKLE, "SESSION_ENGINE": DATABASE, "MIDDLEWARE": [DJANGOS]}),
    ],
)
def test_each_check(expected: list[str], overrides: dict[str, Any]) -> None:
    """Each mistake has its id, and a right site has none."""
    with override_settings(**overrides):
        assert found() == expected


def test_hints_say_what_to_write() -> None:
    """Warnings and errors about sessions carry the cure."""
    with override_settings(SESSION_ENGINE=ENGINE, MIDDLEWARE=[DJANGOS], SESSION_SERIALIZER=PICKLE):
        hints = {message.id: message.hint or "" for message in run_checks(tags=["redis_patterns"])}
    assert OURS in hints["redis_patterns.W101"]
    assert "JSONSerializer" in hints["redis_patterns.W102"]


def test_no_check_talks_to_redis() -> None:
    """Checks run where there is no Redis: on a build machine."""
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}}):
        assert found() == []
