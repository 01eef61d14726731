"""Two sites on the databases of one server: Redis gives them one space of channels, and their names keep them apart."""

import pytest
from django.test import override_settings

from django_redis_patterns.core import trace
from django_redis_patterns.realtime import channel_layer, notify
from django_redis_patterns.realtime.sign_out import channel
from django_redis_patterns.realtime.transmit import channel_of
from django_redis_patterns.testing.servers import RedisServer

from .test_layers import layer_of


@pytest.mark.parametrize(("number", "end"), [(0, ""), (5, ":db5")])
def test_names(number: int, end: str, redis_server: RedisServer) -> None:
    """Those of topics, of the ends of sessions, and of a channel layer say which database they belong to."""
    url = redis_server.url.removesuffix("/0") + f"/{number}"
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": url}}):
        assert channel_of("news") == f"redis_patterns:realtime:{{news}}{end}"
        assert channel() == f"redis_patterns:realtime:{{control}}:sessions{end}"
        assert layer_of(channel_layer())._kwargs["prefix"] == f"redis_patterns:asgi{end}"


def test_the_connection_of_realtime_decides(redis_server: RedisServer) -> None:
    """And not the default one."""
    connections = {"default": redis_server.url, "live": redis_server.url.removesuffix("/0") + "/3"}
    two = override_settings(REDIS_PATTERNS={"CONNECTIONS": connections, "REALTIME": {"CONNECTION": "live"}})
    with two, trace.record() as log:
        notify(7, "x", now=True)
    assert log.commands[0].command.startswith("PUBLISH redis_patterns:realtime:{user.7}:db3 ")
