"""Channels' pub/sub layer on a connection of ``REDIS_PATTERNS``: what `channel_layer` names for an alias."""

from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer
from redis.asyncio import SSLConnection, UnixDomainSocketConnection

from django_redis_patterns.conf import settings
from django_redis_patterns.core.connections.options import target

from .database import database_parts
from .layers import safe_options

CONNECTION_CLASSES: dict[str, dict[str, Any]] = {
    "tcp": {},
    "tls": {"connection_class": SSLConnection},
    "unix": {"connection_class": UnixDomainSocketConnection},
}


class AliasPubSubChannelLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # channels_redis is not typed
    """``{"BACKEND": "...AliasPubSubChannelLayer", "CONFIG": {"connection": "default"}}``.

    Its names start with the site's ``PREFIX`` and its database, which Redis does not keep apart.
    """

    def __init__(self, connection: str = "default", **config: Any) -> None:
        where = target(connection)
        host = {**where.options, **safe_options(where.kind), **CONNECTION_CLASSES[where.kind]}
        prefix = ":".join([settings().prefix, "asgi", *database_parts(connection)])
        super().__init__(hosts=[host], **{"prefix": prefix, **config})
