"""Who may listen in, who may come in, and who may wipe everything: read from settings, nothing is asked."""

import ipaddress
import ssl
from collections.abc import Iterable, Iterator

from django.conf import settings as django_settings

from django_redis_patterns.conf import Connection
from django_redis_patterns.core.connections import options
from django_redis_patterns.core.connections.caches import BACKENDS
from django_redis_patterns.core.connections.options import Target
from django_redis_patterns.exceptions import InvalidConfiguration

from .findings import Finding, error, ok, warning

#: Its ``clear()`` knows its own keys.
OURS = "django_redis_patterns.caching.RedisCache"


def examine(where: Target, addresses: Iterable[str]) -> Iterator[Finding]:
    """Judge TLS and login of *where*, whose servers are at *addresses* ("host:port")."""
    hosts = {*_hosts(where), *(address.rpartition(":")[0] for address in addresses if where.kind != "unix")}
    is_local = all(map(_is_loopback, hosts))
    yield _tls(where, is_local)
    yield _login(where, is_local)


def shared(alias: str, where: Target) -> Iterator[Finding]:
    """Name the caches whose ``clear()``, which is FLUSHDB, would wipe this database."""
    caches = [name for name, cache in django_settings.CACHES.items() if cache.get("BACKEND") in {*BACKENDS} - {OURS}]
    for name in caches:
        try:
            is_shared = options.resolve(alias, Connection(cache=name)).place() == where.place()
        except InvalidConfiguration:
            continue
        if is_shared:
            cure = "Give one of them a database of its own, such as redis://host:6379/1."
            yield warning("caches", f"cache.clear() of CACHES[{name!r}] wipes this database", cure, cache=name)


def _tls(where: Target, is_local: bool) -> Finding:
    if where.kind == "tls":
        if where.options.get("ssl_cert_reqs") in ("none", ssl.CERT_NONE):
            return error("tls", "on, but nobody looks at the certificate", "Remove ssl_cert_reqs=none.", tls=True)
        return ok("tls", "on, the certificate is verified", tls=True)
    if is_local:
        return ok("tls", "off, and nothing leaves this host", tls=False)
    return warning("tls", "off: the network reads along", "Use rediss:// (or TLS: True) and CA_FILE.", tls=False)


def _login(where: Target, is_local: bool) -> Finding:
    if where.options.get("password"):
        return ok("login", "with a password", password=True)
    if is_local:
        return ok("login", "without a password, on this host", password=False)
    cure = "Set one on the server, and PASSWORD_FILE or PASSWORD here."
    return warning("login", "without a password: who reaches the port is in", cure, password=False)


def _hosts(where: Target) -> set[str]:
    places = where.cluster or where.sentinels
    if places:
        return {host for host, _ in places}
    return set() if where.kind == "unix" else {str(where.options["host"])}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
