"""The traps of channel layers and websocket servers, found offline."""

from typing import Any

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.test import override_settings

from django_redis_patterns.realtime import channel_layer

URL = "redis://localhost:6379/0"
CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
MEMORY = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
DAPHNE = {"INSTALLED_APPS": ["daphne", *settings.INSTALLED_APPS]}
SAFE_CORE = {"address": URL, "socket_timeout": None, "max_connections": 1000}


def layer(backend: str, *hosts: Any) -> dict[str, Any]:
    return {"CHANNEL_LAYERS": {"default": {"BACKEND": backend, "CONFIG": {"hosts": list(hosts)}}}}


def ours(*args: Any) -> dict[str, Any]:
    return {"CHANNEL_LAYERS": {"default": channel_layer(*args)}}


@pytest.mark.parametrize(
    ("expected", "overrides"),
    [
        ([], {"CHANNEL_LAYERS": {}}),
        ([], ours()),
        ([], ours(URL)),
        (["E801", "W801"], layer(CORE, URL)),
        (["E801", "W801"], layer(CORE, ("localhost", 6379))),
        (["E801", "W801"], {"CHANNEL_LAYERS": {"default": {"BACKEND": CORE}}}),
        (["E801"], layer(CORE, SAFE_CORE | {"socket_timeout": 5})),
        ([], layer(CORE, SAFE_CORE)),
        ([], layer(CORE, SAFE_CORE | {"socket_timeout": 30})),
        (["W801"], layer(CORE, SAFE_CORE, {"address": URL, "socket_timeout": None})),
        (["W802"], layer(PUBSUB, URL)),
        (["W803"], {"CHANNEL_LAYERS": {"default": MEMORY}}),
        ([], {"CHANNEL_LAYERS": {"default": MEMORY}, "DEBUG": True}),
    ],
)
def test_each_trap(expected: list[str], overrides: dict[str, Any]) -> None:
    """Each trap has its id; what is safe has none; every message carries its cure."""
    with override_settings(**overrides):
        found = run_checks(tags=["redis_patterns"])
    assert [message.id for message in found] == [f"redis_patterns.{id}" for id in expected]
    assert all("channel_layer()" in (message.hint or "") for message in found)


@pytest.mark.parametrize(("debug", "expected"), [(False, ["redis_patterns.W804"]), (True, [])])
def test_daphne(debug: bool, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In production, daphne is warned of; `runserver` may use it."""
    monkeypatch.setattr(settings, "INSTALLED_APPS", DAPHNE["INSTALLED_APPS"])
    with override_settings(DEBUG=debug):
        assert [message.id for message in run_checks(tags=["redis_patterns"])] == expected
