"""Safe options for the channel layer of a site's own groups: ``CHANNEL_LAYERS = {"default": channel_layer()}``.

Bare, the layer is deaf for a second when Redis restarts, and a call that meets the restart fails. With these options
it comes back in milliseconds. What is sent meanwhile is lost: a channel layer cannot tell.
"""

from typing import Any

from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError

STOCK = "channels_redis.pubsub.RedisPubSubChannelLayer"
BY_ALIAS = "django_redis_patterns.realtime.backends.AliasPubSubChannelLayer"


def channel_layer(where: str = "default", **config: Any) -> dict[str, Any]:
    """Return an entry for ``CHANNEL_LAYERS``: channels_redis' pub/sub layer on *where*, with safe options.

    *where* is an URL, or a connection of ``REDIS_PATTERNS``, which is looked up when the layer is first used.
    *config* goes to the layer as it is, for example ``prefix`` or ``symmetric_encryption_keys``.
    """
    if "://" in where:
        options = safe_options(where.partition("://")[0])
        return {"BACKEND": STOCK, "CONFIG": {"hosts": [{"address": where, **options}], **config}}
    return {"BACKEND": BY_ALIAS, "CONFIG": {"connection": where, **config}}


def safe_options(kind: str = "tcp") -> dict[str, Any]:
    """Return options of one host, none of them left to a library's default; *kind* is "unix" for a socket file.

    A lost connection is tried again for some seconds; a server that hangs is given up after five.
    """
    return {
        "protocol": 2,
        "socket_connect_timeout": 1.0,
        "socket_timeout": 5.0,
        **({} if kind == "unix" else {"socket_keepalive": True}),
        "health_check_interval": 15,
        "max_connections": 1000,
        "retry": Retry(ExponentialBackoff(cap=0.3, base=0.02), 30, (ConnectionError,)),
    }
