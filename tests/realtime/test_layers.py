"""`channel_layer()`: Channels' own pub/sub layer with options that survive."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from channels.layers import ChannelLayerManager
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.test import override_settings

from django_redis_patterns.realtime import channel_layer
from django_redis_patterns.testing.servers import RedisServer


@pytest.fixture
def mortal_redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def layer_of(entry: dict[str, Any]) -> RedisPubSubChannelLayer:
    """Make the layer as Channels does."""
    with override_settings(CHANNEL_LAYERS={"default": entry}):
        made: RedisPubSubChannelLayer = ChannelLayerManager()["default"]
    assert isinstance(made, RedisPubSubChannelLayer)
    return made


@pytest.mark.parametrize("by", ["url", "alias"])
def test_send_and_receive(by: str, redis_server: RedisServer) -> None:
    """Direct and group messages arrive, through an URL and through a connection of ours."""
    layer = layer_of(channel_layer(redis_server.url) if by == "url" else channel_layer())

    async def main() -> None:
        name = await layer.new_channel()
        await layer.group_add("chat", name)
        await layer.send(name, {"type": "one"})
        assert await layer.receive(name) == {"type": "one"}
        await layer.group_send("chat", {"type": "two"})
        assert await layer.receive(name) == {"type": "two"}
        await layer.flush()

    asyncio.run(main())


def test_a_socket_file(tmp_path: Path) -> None:
    """A server that listens on one is reached, by an URL and by a connection of ours."""
    path = tmp_path / "redis.sock"
    ours = override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": f"unix://{path}"}})
    with RedisServer(options=["--unixsocket", str(path)]), ours:
        for layer in (layer_of(channel_layer(f"unix://{path}")), layer_of(channel_layer())):
            asyncio.run(passes(layer))


async def passes(layer: RedisPubSubChannelLayer) -> None:
    name = await layer.new_channel()
    await layer.send(name, {"type": "one"})
    assert await layer.receive(name) == {"type": "one"}
    await layer.flush()


def test_sites_on_one_server_are_apart(redis_server: RedisServer) -> None:
    """Redis keeps no channels of its databases apart; the site's prefix does."""
    entry = channel_layer()
    connections = {"default": redis_server.url}
    names = []
    for prefix in ("one", "two"):
        with override_settings(REDIS_PATTERNS={"CONNECTIONS": connections, "PREFIX": prefix}):
            layer = layer_of(entry)
        names.append(layer._kwargs["prefix"])
    assert names == ["one:asgi", "two:asgi"]


def test_idle_longer_than_the_read_time_out(redis_server: RedisServer) -> None:
    """A time-out of reads ends no listener that has nothing to read."""
    entry = channel_layer(redis_server.url)
    entry["CONFIG"]["hosts"][0]["socket_timeout"] = 0.3
    layer = layer_of(entry)

    async def main() -> None:
        name = await layer.new_channel()
        waiting = asyncio.create_task(layer.receive(name))
        await asyncio.sleep(1)
        await layer.send(name, {"type": "late"})
        assert await waiting == {"type": "late"}
        await layer.flush()

    asyncio.run(main())


def test_redis_restarted(mortal_redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Senders wait for Redis to come back, and groups hear again: no error, no second of deafness."""
    layer = layer_of(channel_layer(mortal_redis.url))

    async def main() -> None:
        name = await layer.new_channel()
        await layer.group_add("chat", name)
        await asyncio.to_thread(mortal_redis.kill)
        sending = asyncio.create_task(layer.group_send("chat", {"type": "lost or not"}))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(mortal_redis.restart)
        await sending
        receiving = asyncio.create_task(layer.receive(name))
        while not receiving.done():
            await layer.group_send("chat", {"type": "back"})
            await asyncio.sleep(0.05)
        assert (await receiving)["type"] in ("lost or not", "back")
        await layer.flush()

    asyncio.run(main())
    assert not caplog.records


def test_it_can_be_written_in_a_settings_module(tmp_path: Any) -> None:
    """It reads no settings while they are being made, and imports neither models nor Channels."""
    (tmp_path / "site_settings.py").write_text(
        "import sys\n"
        "from django_redis_patterns.realtime import channel_layer\n"
        "assert 'channels' not in sys.modules\n"
        "CHANNEL_LAYERS = {'default': channel_layer(), 'other': channel_layer('redis://localhost:6379/1')}\n"
        "INSTALLED_APPS = ['django.contrib.auth', 'django.contrib.contenttypes', 'django_redis_patterns']\n"
        "REDIS_PATTERNS = {'CONNECTIONS': {'default': 'redis://localhost:6379/0'}}\n"
        "SECRET_KEY = 'x'\n"
    )
    program = (
        "import django; django.setup()\n"
        "from channels.layers import channel_layers as found\n"
        "print(type(found['default']).__name__, type(found['other']).__name__)\n"
    )
    env = {"DJANGO_SETTINGS_MODULE": "site_settings", "PYTHONPATH": f"{tmp_path}:."}
    told = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    assert told.stdout.split() == ["AliasPubSubChannelLayer", "RedisPubSubChannelLayer"], told.stderr
