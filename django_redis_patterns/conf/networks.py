"""Networks in settings."""

from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

from django_redis_patterns.exceptions import InvalidConfiguration

Network = IPv4Network | IPv6Network | Literal["unix"]
UNIX: Literal["unix"] = "unix"


@cache
def networks(texts: tuple[str, ...], where: str = "TRUSTED_PROXIES") -> tuple[Network, ...]:
    """Return the networks that *texts* name. Raises `InvalidConfiguration` naming *where* and what to write."""
    return tuple(_network(text, where) for text in texts)


def _network(text: str, where: str) -> Network:
    if text == UNIX:
        return UNIX
    try:
        return ip_network(str(text))
    except ValueError:
        raise InvalidConfiguration(f"REDIS_PATTERNS {where} has {text!r}: {_meant(str(text))}.") from None


def _meant(text: str) -> str:
    try:
        return f"the network is {str(ip_network(text, strict=False))!r}"
    except ValueError:
        return 'write an address or a network, such as "10.0.0.0/8", or "unix" for a unix socket'
