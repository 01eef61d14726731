"""``REDIS_PATTERNS`` as frozen dataclasses: every option and every default of every room.

Read when needed, never at import, so ``override_settings`` works both ways.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.conf import settings as django_settings

from django_redis_patterns.exceptions import InvalidConfiguration

from .networks import networks
from .values import known, mapping, option, section


@dataclass(frozen=True, kw_only=True)
class Connection:
    """One Redis. Exactly one of ``URL``, ``HOST``, ``PATH``, ``CACHE``, ``SENTINELS`` and ``CLUSTER`` says where it is.

    Times are in seconds. ``CACHE`` takes address and credentials from that alias in Django's ``CACHES``. ``SENTINELS``
    are "host:port" of the sentinels that know the primary of ``SERVICE``.
    """

    url: str | None = option(None, secret=True)
    host: str | None = None
    port: int = option(6379, at_least=1)
    path: str | None = None
    cache: str | None = None
    sentinels: tuple[str, ...] = ()
    service: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = option(None, secret=True)
    cluster: tuple[str, ...] = option((), secret=True)
    db: int = option(0, at_least=0)
    username: str | None = None
    password: str | None = option(None, secret=True)
    password_file: str | None = None
    tls: bool = False
    ca_file: str | None = None
    connect_timeout: float = option(0.5, at_least=0.001)
    timeout: float = option(1.0, at_least=0.001)
    max_connections: int = option(100, at_least=1)

    PLACES = ("url", "host", "path", "cache", "sentinels", "cluster")


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """``SLIDING``: reading a session prolongs it. ``TOUCH_EVERY``: seconds between two updates of "last seen"."""

    connection: str = "default"
    sliding: bool = False
    touch_every: float = option(300.0, at_least=1)


@dataclass(frozen=True, kw_only=True)
class Caching:
    """``LEASE``: seconds after which the call of a process that died is begun anew. ``WAIT``: seconds for which a
    caller waits for somebody else's call, before it makes its own. Values over ``MAX_BYTES`` are not stored. A process
    keeps at most ``NEAR_ENTRIES`` copies of ``NEAR_BYTES`` in all."""

    connection: str = "default"
    lease: float = option(5.0, at_least=0.1)
    wait: float = option(30.0, at_least=0)
    max_bytes: int = option(4 * 1024 * 1024, at_least=1)
    near_entries: int = option(10_000, at_least=1)
    near_bytes: int = option(32 * 1024 * 1024, at_least=1)


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """``RULES``: name to rule (``ratelimit/rules.py`` reads them). ``ON_UNAVAILABLE``: rules that do not say it are
    "open" (let through) or "closed" (deny) while Redis is away. No rule of a request counts the networks, the paths (a
    final slash stands for all below) and the users (an attribute of theirs, such as "is_staff") of ``EXEMPT_...``.
    """

    connection: str = "default"
    on_unavailable: str = option("open", one_of=("open", "closed"))
    rules: Mapping[str, Any] = field(default_factory=dict)
    exempt_networks: tuple[str, ...] = ()
    exempt_paths: tuple[str, ...] = ()
    exempt_users: str | None = None


@dataclass(frozen=True, kw_only=True)
class Locks:
    """Seconds, where a lock says nothing else: ``TTL`` until a dead holder's lock is free, ``WAIT`` for it (None: for
    ever), ``MAX_HOLD`` for which a living holder's is renewed (None: for ever)."""

    connection: str = "default"
    ttl: float = option(30.0, at_least=0.01)
    wait: float | None = option(10.0, at_least=0)
    max_hold: float | None = option(3600.0, at_least=0)


@dataclass(frozen=True, kw_only=True)
class Leaderboards:
    """``CONNECTION``: which Redis holds the boards."""

    connection: str = "default"


@dataclass(frozen=True, kw_only=True)
class Streams:
    """Seconds: ``LEASE`` until what a vanished consumer had is taken over, ``RETENTION`` for which events are kept if
    nothing else is said (None: for ever), ``IDEMPOTENCY_TTL`` for which a key keeps an event from coming twice."""

    connection: str = "default"
    lease: float = option(15.0, at_least=1)
    retention: float | None = option(None, at_least=0)
    idempotency_ttl: float = option(86400.0, at_least=1)


@dataclass(frozen=True, kw_only=True)
class Realtime:
    """``CONNECTION``: which Redis carries the messages."""

    connection: str = "default"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything under ``REDIS_PATTERNS``.

    ``TRUSTED_PROXIES``: networks whose ``X-Forwarded-For`` is believed, and ``"unix"`` for a unix socket.
    ``IPV6_PREFIX``: how much of an IPv6 address is one client.
    """

    prefix: str = "redis_patterns"
    trusted_proxies: tuple[str, ...] = ()
    ipv6_prefix: int = option(64, at_least=1, at_most=128)
    connections: Mapping[str, Connection] = field(default_factory=dict)
    sessions: Sessions = Sessions()
    caching: Caching = Caching()
    ratelimit: RateLimit = RateLimit()
    locks: Locks = Locks()
    leaderboards: Leaderboards = Leaderboards()
    streams: Streams = Streams()
    realtime: Realtime = Realtime()


ROOMS: dict[str, type] = {
    "SESSIONS": Sessions,
    "CACHING": Caching,
    "RATELIMIT": RateLimit,
    "LOCKS": Locks,
    "LEADERBOARDS": Leaderboards,
    "STREAMS": Streams,
    "REALTIME": Realtime,
}


@cache
def settings() -> Settings:
    """Return the site's settings, checked. Raises `InvalidConfiguration` naming the option and what to write."""
    given = dict(mapping(getattr(django_settings, "REDIS_PATTERNS", {}), "REDIS_PATTERNS"))
    aliases = mapping(given.pop("CONNECTIONS", {}), "CONNECTIONS")
    rooms = {room: mapping(given.pop(room, {}), room) for room in ROOMS}
    top = section(Settings, given, "", extra=["CONNECTIONS", *ROOMS])
    networks(top.get("trusted_proxies", ()))
    connections = {"default": Connection(cache="default")} if "default" not in aliases else {}
    connections |= {alias: _connection(alias, given) for alias, given in aliases.items()}
    sections = {room.lower(): _room(room, rooms[room], connections) for room in ROOMS}
    networks(sections["ratelimit"].exempt_networks, "RATELIMIT.EXEMPT_NETWORKS")
    return Settings(**top, connections=connections, **sections)


def forget(*, setting: str, **_: Any) -> None:
    """Receiver of Django's ``setting_changed``."""
    if setting == "REDIS_PATTERNS":
        settings.cache_clear()


def _room(room: str, given: Mapping[str, Any], connections: Mapping[str, Connection]) -> Any:
    options = ROOMS[room](**section(ROOMS[room], given, f"{room}."))
    known(options.connection, connections, f"{room}.CONNECTION names no connection", "connections")
    return options


def _connection(alias: str, given: Any) -> Connection:
    where = f"CONNECTIONS[{alias!r}]"
    given = {"URL": given} if isinstance(given, str) else mapping(given, where)
    values = section(Connection, given, f"{where}.")
    for place in ("sentinels", "cluster"):
        if values.get(place) == ():
            raise InvalidConfiguration(f"REDIS_PATTERNS {where}.{place.upper()} is empty: name at least one address.")
    places = [place for place in Connection.PLACES if values.get(place)]
    if len(places) != 1:
        names = ", ".join(place.upper() for place in Connection.PLACES)
        raise InvalidConfiguration(f"REDIS_PATTERNS {where} needs exactly one of {names}; it has {len(places)}.")
    connection = Connection(**values)
    for complaint in _complaints(connection):
        raise InvalidConfiguration(f"REDIS_PATTERNS {where} {complaint}.")
    return connection


def _complaints(connection: Connection) -> Iterator[str]:
    """Yield what does not go together."""
    if connection.sentinels and not connection.service:
        yield 'has SENTINELS and no SERVICE: write the name under which they know the primary, such as "mymaster"'
    if connection.service and not connection.sentinels:
        yield 'has a SERVICE and no SENTINELS: write SENTINELS = ["host:26379", ...] of those who know it'
    if connection.password and connection.password_file:
        yield "has both PASSWORD and PASSWORD_FILE: keep one"
