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
LIMITS = "django_redis_patterns.ratelimit.RateLimitMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
MODEL = "django.contrib.auth.backends.ModelBackend"
REMOTE = "django.contrib.auth.backends.RemoteUserBackend"
DIRECTORY = "tests.ratelimit.test_login.Inherited"
TASKS = {"default": {"BACKEND": "django_redis_patterns.queues.tasks.RedisBackend", "QUEUES": []}}
NO_SESSIONS = {"SESSION_ENGINE": DATABASE, "MIDDLEWARE": [DJANGOS]}
LIMITED = "django_redis_patterns.ratelimit.backends.RateLimitedModelBackend"


def limits(**rule: Any) -> dict[str, Any]:
    rule = {"rate": "5/m", "key": "ip", "match": {"path": "/"}} | rule
    return {"CONNECTIONS": REDIS, "RATELIMIT": {"RULES": {"api": rule}}}


def scheduled(**schedule: str) -> dict[str, Any]:
    schedule = {"task": "tests.errands.tasks.add", "cron": "0 7 * * *"} | schedule
    return {"REDIS_PATTERNS": {"CONNECTIONS": REDIS, "QUEUES": {"SCHEDULES": {"sum": schedule}}}}


def with_limits(*middleware: str, **rule: Any) -> dict[str, Any]:
    return {"REDIS_PATTERNS": limits(**rule), "MIDDLEWARE": [OURS, *middleware]}


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
        (["redis_patterns.W001"] * 2, {"REDIS_PATTERNS": {"LOCKS": {"TTL": 20}}, "CACHES": CACHES}),
        ([], {"REDIS_PATTERNS": {"CONNECTIONS": {"default": "redis://localhost:6379/1"}}, "CACHES": CACHES}),
        (["redis_patterns.E101"], {"SESSION_ENGINE": DATABASE, "MIDDLEWARE": [OURS]}),
        (["redis_patterns.W101"], {"SESSION_ENGINE": ENGINE, "MIDDLEWARE": [DJANGOS]}),
        ([], {"SESSION_ENGINE": DATABASE, "MIDDLEWARE": [DJANGOS]}),
        (["redis_patterns.W102"], {"SESSION_SERIALIZER": PICKLE}),
        ([], {"SESSION_SERIALIZER": PICKLE, "SESSION_ENGINE": DATABASE, "MIDDLEWARE": [DJANGOS]}),
        ([], with_limits(LIMITS, CSRF)),
        (["redis_patterns.E301"], with_limits(LIMITS, rate="5/month")),
        (["redis_patterns.E301"], with_limits(LIMITS, key="ipp")),
        (["redis_patterns.E301"], with_limits(LIMITS, match={"pth": "/"})),
        (["redis_patterns.E301"], with_limits(LIMITS, cost="no.such.thing")),
        (["redis_patterns.E301"], with_limits(LIMITS, cost=-1)),
        (["redis_patterns.E301"], with_limits(LIMITS, shadow="no")),
        (["redis_patterns.E301"], with_limits(LIMITS, methods="PSOT")),
        (["redis_patterns.E301"], with_limits(LIMITS, mach={"path": "/"})),
        (["redis_patterns.E302"], with_limits(LIMITS, key="user")),
        (["redis_patterns.E302"], with_limits(LIMITS, key=["user_or_ip", "header:X-Org"])),
        ([], with_limits(LIMITS, AUTH, key="user")),
        (["redis_patterns.E303"], {"AUTHENTICATION_BACKENDS": [MODEL, LIMITED]}),
        ([], {"AUTHENTICATION_BACKENDS": [LIMITED, MODEL]}),
        (["redis_patterns.E303"], {"AUTHENTICATION_BACKENDS": [MODEL, DIRECTORY]}),
        ([], {"AUTHENTICATION_BACKENDS": [REMOTE, LIMITED]}),  # it takes no password
        ([], {"AUTHENTICATION_BACKENDS": [DIRECTORY, MODEL]}),
        (["redis_patterns.W304"], {"AUTHENTICATION_BACKENDS": [DIRECTORY, LIMITED]}),
        ([], {"AUTHENTICATION_BACKENDS": [MODEL]}),
        (["redis_patterns.W301"], with_limits(LIMITS) | {"SECURE_PROXY_SSL_HEADER": ("HTTP_X", "https")}),
        (["redis_patterns.W301"], {"AUTHENTICATION_BACKENDS": [LIMITED], "USE_X_FORWARDED_HOST": True}),
        ([], {"USE_X_FORWARDED_HOST": True}),
        (["redis_patterns.W302"], with_limits()),
        (["redis_patterns.W303"], with_limits(CSRF, LIMITS)),
        ([], scheduled() | {"TASKS": TASKS}),
        (["redis_patterns.W701"], scheduled()),
        (["redis_patterns.E702"], scheduled(cron="0 25 * * *") | {"TASKS": TASKS}),
        (["redis_patterns.E702"], scheduled(task="tests.errands.tasks.nothing") | {"TASKS": TASKS}),
        (["redis_patterns.E702"], scheduled(every="day") | {"TASKS": TASKS}),
        (["redis_patterns.W001"], {"REDIS_PATTERNS": {}, "CACHES": CACHES, "TASKS": TASKS} | NO_SESSIONS),
    ],
)
def test_each_check(expected: list[str], overrides: dict[str, Any]) -> None:
    """Each mistake has its id, and a right site has none."""
    with override_settings(**{"TASKS": {}} | overrides):
        assert found() == expected


def test_hints_say_what_to_write() -> None:
    """Warnings and errors about sessions carry the cure."""
    with override_settings(SESSION_ENGINE=ENGINE, MIDDLEWARE=[DJANGOS], SESSION_SERIALIZER=PICKLE):
        hints = {message.id: message.hint or "" for message in run_checks(tags=["redis_patterns"])}
    assert OURS in hints["redis_patterns.W101"]
    assert "JSONSerializer" in hints["redis_patterns.W102"]


def test_hints_about_limits_say_what_to_write() -> None:
    with override_settings(USE_X_FORWARDED_HOST=True, **with_limits(CSRF, LIMITS, key="user")):
        hints = {message.id: message.hint or "" for message in run_checks(tags=["redis_patterns"])}
    assert AUTH in hints["redis_patterns.E302"]
    assert "TRUSTED_PROXIES" in hints["redis_patterns.W301"]
    assert LIMITS in hints["redis_patterns.W303"]


def test_a_mistake_in_a_rule_is_named() -> None:
    with override_settings(**with_limits(LIMITS, mach={"path": "/"})):
        (message,) = run_checks(tags=["redis_patterns"])
    assert "RULES['api'] has no option 'mach'. Did you mean 'match'?" in message.msg


def test_a_trusted_proxy_is_no_warning() -> None:
    patterns = limits() | {"TRUSTED_PROXIES": ["10.0.0.0/8"]}
    with override_settings(REDIS_PATTERNS=patterns, MIDDLEWARE=[OURS, LIMITS], USE_X_FORWARDED_HOST=True):
        assert found() == []


def test_no_check_talks_to_redis() -> None:
    """Checks run where there is no Redis: on a build machine."""
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}}):
        assert found() == []
