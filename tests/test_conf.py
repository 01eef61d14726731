from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_redis_patterns.conf import Connection, Sessions, settings
from django_redis_patterns.core.connections import client, options
from django_redis_patterns.exceptions import InvalidConfiguration

DJANGO_CACHE = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://cache:1/2"}}


def given(**value: Any) -> override_settings:
    return override_settings(REDIS_PATTERNS=value)


def test_everything_is_optional() -> None:
    """With no settings at all the connection is the default cache's, and every option has its default."""
    with given():
        assert settings().connections == {"default": Connection(cache="default")}
        assert settings().sessions == Sessions(connection="default", sliding=False, touch_every=300.0)
        assert settings().prefix == "redis_patterns"


def test_settings_may_be_absent() -> None:
    """A site without REDIS_PATTERNS works."""
    with override_settings():
        from django.conf import settings as django_settings

        del django_settings.REDIS_PATTERNS
        settings.cache_clear()
        assert "default" in settings().connections
    settings.cache_clear()


def test_override_settings_works_both_ways() -> None:
    """An override is seen at once, and so is its end."""
    before = settings()
    with given(PREFIX="shop"):
        assert settings().prefix == "shop"
    assert settings() == before


def test_clients_follow_the_settings() -> None:
    """A client built for other settings is not used again."""
    before = client().connection_pool.connection_kwargs["port"]  # type: ignore[union-attr]
    with given(CONNECTIONS={"default": "redis://127.0.0.1:7/0"}):
        assert client().connection_pool.connection_kwargs["port"] == 7  # type: ignore[union-attr]
    assert client().connection_pool.connection_kwargs["port"] == before  # type: ignore[union-attr]


def test_a_string_is_a_url() -> None:
    """`"redis://..."` is short for `{"URL": "redis://..."}`."""
    with given(CONNECTIONS={"default": "redis://a", "b": {"URL": "redis://b", "TIMEOUT": timedelta(seconds=3)}}):
        assert settings().connections["default"].url == "redis://a"
        assert settings().connections["b"].timeout == 3.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"PREFX": "shop"}, "'PREFX'. Did you mean 'PREFIX'?"),
        ({"SESIONS": {}}, "Did you mean 'SESSIONS'?"),
        ({"CONECTIONS": {}}, "Did you mean 'CONNECTIONS'?"),
        (
            {"ZZZ": 1},
            "Known options: CACHING, CONNECTIONS, IPV6_PREFIX, LEADERBOARDS, LOCKS, PREFIX, QUEUES, RATELIMIT, RE",
        ),
        ({"SESSIONS": {"SLIDE": True}}, "Did you mean 'SLIDING'?"),
        ({"SESSIONS": {"SLIDING": 1}}, "SESSIONS.SLIDING must be bool, not int."),
        ({"SESSIONS": {"TOUCH_EVERY": "5"}}, "SESSIONS.TOUCH_EVERY must be float, not str."),
        ({"SESSIONS": {"TOUCH_EVERY": 0}}, "SESSIONS.TOUCH_EVERY must be at least 1."),
        ({"SESSIONS": {"TOUCH_EVERY": True}}, "SESSIONS.TOUCH_EVERY must be float, not bool."),
        ({"SESSIONS": {"CONNECTION": "defualt"}}, "Did you mean 'default'?"),
        ({"SESSIONS": []}, "SESSIONS in REDIS_PATTERNS must be a dict, not list."),
        ({"RATELIMIT": {"ON_UNAVAILABLE": "opne"}}, "RATELIMIT.ON_UNAVAILABLE must be 'open' or 'closed', not 'opne'."),
        ({"RATELIMIT": {"EXEMPT_NETWORKS": ["office"]}}, "RATELIMIT.EXEMPT_NETWORKS has 'office': write an address or"),
        ({"RATELIMIT": {"RULES": ["api"]}}, "RATELIMIT.RULES must be dict, not list."),
        ({"CONNECTIONS": {"a": {"HOTS": "x"}}}, "Did you mean 'HOST'?"),
        ({"CONNECTIONS": {"a": {"HOST": "x", "PORT": "6379"}}}, "PORT must be int, not str."),
        ({"CONNECTIONS": {"a": {"HOST": "x", "TIMEOUT": 0}}}, "TIMEOUT must be at least 0.001."),
        ({"CONNECTIONS": {"a": {"HOST": "x", "TIMEOUT": float("nan")}}}, "TIMEOUT"),
        ({"CONNECTIONS": {"a": {"HOST": "x", "DB": -1}}}, "DB must be at least 0."),
        ({"CONNECTIONS": {"a": {"CLUSTER": "redis://x"}}}, "CLUSTER must be tuple, not str."),
        ({"CONNECTIONS": {"a": {}}}, "needs exactly one of URL, HOST, PATH, CACHE, SENTINELS, CLUSTER; it has 0."),
        ({"CONNECTIONS": {"a": {"HOST": "x", "URL": "redis://x"}}}, "it has 2."),
        ({"CONNECTIONS": {"a": 6379}}, "must be a dict, not int."),
        ({"CONNECTIONS": {"a": {"SENTINELS": [], "SERVICE": "x"}}}, "SENTINELS is empty: name at least one address."),
        ({"CONNECTIONS": {"a": {"CLUSTER": []}}}, "CLUSTER is empty: name at least one address."),
        ({"CONNECTIONS": {"a": {"SENTINELS": ["s1:26379"]}}}, "SENTINELS and no SERVICE: write the name"),
        ({"CONNECTIONS": {"a": {"HOST": "x", "SERVICE": "mymaster"}}}, "a SERVICE and no SENTINELS: write SENTINELS"),
        ({"CONNECTIONS": {"a": {"HOST": "x", "PASSWORD": "p", "PASSWORD_FILE": "f"}}}, "both PASSWORD and P"),
    ],
)
def test_a_mistake_is_named(wrong: dict[str, Any], message: str) -> None:
    """The first read of wrong settings raises, and says which option, why, and what was probably meant."""
    with given(**wrong), pytest.raises(InvalidConfiguration) as caught:
        settings()
    assert message in str(caught.value)
    assert isinstance(caught.value, ImproperlyConfigured)


def test_settings_that_are_no_dict() -> None:
    """REDIS_PATTERNS itself must be a dict."""
    with override_settings(REDIS_PATTERNS="redis://x"), pytest.raises(InvalidConfiguration, match="must be a dict"):
        settings()


def test_an_unknown_alias_is_named() -> None:
    """Asking for a connection nobody configured says which there are."""
    with pytest.raises(InvalidConfiguration, match=r"has no 'nope'\. It has: default"):
        client("nope")


def test_another_cache_says_what_to_write() -> None:
    """A default cache that is no Redis is an error with the line to write."""
    with given(), pytest.raises(InvalidConfiguration) as caught:
        client()
    assert 'REDIS_PATTERNS = {"CONNECTIONS": {"default": "redis://localhost:6379/0"}}' in str(caught.value)


def test_a_cache_that_is_not_there() -> None:
    """An alias that CACHES lacks is named."""
    with (
        given(CONNECTIONS={"default": {"CACHE": "nope"}}),
        pytest.raises(InvalidConfiguration, match="CACHES has no 'nope'"),
    ):
        client()


@override_settings(CACHES=DJANGO_CACHE)
def test_the_default_cache_is_the_default_connection() -> None:
    """A site with Redis in CACHES needs no settings of ours."""
    with given():
        assert options.target("default").options["host"] == "cache"
        assert options.target("default").options["db"] == 2


def test_an_unreadable_url_does_not_tell_the_password() -> None:
    """The message about a wrong URL has no secret in it."""
    with (
        given(CONNECTIONS={"default": "http://:hunter2@x"}),
        pytest.raises(InvalidConfiguration, match="scheme 'http'") as caught,
    ):
        client()
    assert "hunter2" not in str(caught.value)


def test_no_secret_in_a_repr() -> None:
    """Passwords are not shown in a repr, nor in a traceback that prints one."""
    secret = Connection(url="redis://:hunter2@x", password="hunter2", cluster=("redis://:hunter2@y",))
    assert "hunter2" not in repr(secret)
