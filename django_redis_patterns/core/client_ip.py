"""Who is calling, behind which proxies.

The peer's own address, unless it is one of ``TRUSTED_PROXIES``: then ``X-Forwarded-For`` is read from right to left,
and the first address that is not a trusted proxy's is the client's. What stands left of it anybody can have written.
"""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.http import HttpRequest

from django_redis_patterns.conf import settings
from django_redis_patterns.conf.networks import UNIX, Network, networks

Address = IPv4Address | IPv6Address
Caller = HttpRequest | Mapping[str, Any]

#: Networks whose addresses end in the IPv4 address of the client: NAT64 (RFC 6052 and 8215), SIIT (RFC 2765), and
#: IPv4-compatible ones (RFC 4291).
EMBEDDING = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")))


def client_ip(caller: Caller) -> str | None:
    """Return the client's address, for people to read; *caller* is a request or an ASGI scope.

    None when nobody knows it: a unix socket without ``"unix"`` in ``TRUSTED_PROXIES``, or a proxy there that names
    no client. Never raises, whatever the headers hold.
    """
    address = client_address(caller)
    return None if address is None else str(_embedded(address))


def client_network(caller: Caller) -> str | None:
    """Return whom a limit should count: an IPv4 address, or the ``IPV6_PREFIX`` network that one customer has."""
    known = client_address(caller)
    address = None if known is None else _embedded(known)
    if not isinstance(address, IPv6Address):
        return None if address is None else str(address)
    return str(ip_network((address, settings().ipv6_prefix), strict=False))


def client_address(caller: Caller) -> Address | None:
    """Return the client's address to compare with networks, as it was received; None as in `client_ip`."""
    peer, forwarded = _told(caller)
    proxies = networks(settings().trusted_proxies)
    known = parse(peer)
    if known is None and (peer or UNIX not in proxies):
        return None
    for hop in _right_to_left(forwarded):
        if known is not None and not is_in(known, proxies):
            break
        address = parse(hop)
        if address is None:
            break
        known = address
    return known


def is_in(address: Address, among: tuple[Network, ...]) -> bool:
    """Return whether *address* lies in one of the networks."""
    return any(network != UNIX and address in network for network in among)


def parse(text: str) -> Address | None:
    """Return the address that *text* tells, with or without port, brackets, quotes and zone; None if it tells none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _embedded(address: Address) -> Address:
    """Return the IPv4 address that a client's NAT64 or 6to4 address stands for; ``::1`` and its like stand for none.

    Not while trust or an exemption is decided: anybody may have an address that embeds a trusted one.
    """
    if not isinstance(address, IPv6Address) or int(address) < 1 << 24:
        return address
    if any(address in network for network in EMBEDDING):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour or address


def _right_to_left(forwarded: str) -> Iterator[str]:
    while forwarded:
        forwarded, _, hop = forwarded.rpartition(",")
        yield hop


def _told(caller: Caller) -> tuple[str, str]:
    """Return the peer's address, empty for a unix socket, and what proxies added."""
    if isinstance(caller, Mapping):
        peer = caller.get("client") or [""]
        added = (value.decode("latin-1") for name, value in caller.get("headers", ()) if name == b"x-forwarded-for")
        return peer[0] or "", ",".join(added)
    return caller.META.get("REMOTE_ADDR") or "", caller.META.get("HTTP_X_FORWARDED_FOR", "")
