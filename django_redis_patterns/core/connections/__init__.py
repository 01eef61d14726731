"""From an alias to Redis: the only package that knows standalone servers from clusters."""

from .clients import aclient, adisconnect, client, reset

__all__ = ["aclient", "adisconnect", "client", "reset"]
