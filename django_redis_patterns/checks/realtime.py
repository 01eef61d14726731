"""Channel layers and servers for websockets, with the traps that they have."""

from typing import Any

from django.conf import settings as django_settings
from django.core import checks

CORE_LAYER = "channels_redis.core.RedisChannelLayer"
PUBSUB_LAYER = "channels_redis.pubsub.RedisPubSubChannelLayer"
MEMORY_LAYER = "channels.layers.InMemoryChannelLayer"
CORE_BLOCKS = 5.0  # seconds: channels_redis' `brpop_timeout`, and redis-py 8's default socket_timeout

Messages = list[checks.CheckMessage]


def check_channel_layers(**_: Any) -> Messages:
    """The channel layers of a site's own groups have traps; `channel_layer()` avoids them."""
    layers = getattr(django_settings, "CHANNEL_LAYERS", {})
    return [message for alias, layer in layers.items() for message in _layer_traps(alias, layer)]


def check_websocket_server(**_: Any) -> Messages:
    """A server must wait for a slow client, or the memory that waits for it has no bound."""
    if "daphne" not in django_settings.INSTALLED_APPS or django_settings.DEBUG:
        return []
    return [
        checks.Warning(
            "daphne takes every message at once, however slow the client: its memory grows, and no outbox is full.",
            hint="In production serve websockets with uvicorn or hypercorn, which wait for the client.",
            id="redis_patterns.W804",
        )
    ]


def _layer_traps(alias: str, layer: dict[str, Any]) -> Messages:
    where, backend = f"CHANNEL_LAYERS[{alias!r}]", layer.get("BACKEND")
    hosts = [host if isinstance(host, dict) else {} for host in layer.get("CONFIG", {}).get("hosts") or [{}]]
    cure = f'CHANNEL_LAYERS = {{"{alias}": channel_layer()}}, from django_redis_patterns.realtime.'
    found: Messages = []
    if backend == CORE_LAYER and any(_dies_idle(host) for host in hosts):
        message = f"{where}: on redis-py 8 an idle websocket of the core layer dies after {CORE_BLOCKS:g} seconds."
        hint = f'Give each host "socket_timeout": None, or write {cure}'
        found.append(checks.Error(message, hint=hint, id="redis_patterns.E801"))
    if backend == CORE_LAYER and any("max_connections" not in host for host in hosts):
        message = f"{where}: redis-py 8 caps the core layer at 100 connections and refuses the socket after that."
        hint = f'Give each host "max_connections": 1000, or write {cure}'
        found.append(checks.Warning(message, hint=hint, id="redis_patterns.W801"))
    if backend == PUBSUB_LAYER and any("retry" not in host for host in hosts):
        message = f"{where}: without retries a restart of Redis fails sends and leaves groups deaf for a second."
        found.append(checks.Warning(message, hint=f"Write {cure}", id="redis_patterns.W802"))
    if backend == MEMORY_LAYER and not django_settings.DEBUG:
        message = f"{where}: the in-memory layer reaches nobody outside its process."
        found.append(checks.Warning(message, hint=f"Write {cure}", id="redis_patterns.W803"))
    return found


def _dies_idle(host: dict[str, Any]) -> bool:
    timeout = host.get("socket_timeout", CORE_BLOCKS)
    return timeout is not None and timeout <= CORE_BLOCKS
