"""``REDIS_PATTERNS`` as frozen dataclasses: every option and every default of every room.

Read when needed, never at import, so ``override_settings`` works both ways.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from datetime import timedelta
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Literal, get_args, get_origin, get_type_hints

from django.conf import settings as django_settings

from .exceptions import InvalidConfiguration

Network = IPv4Network | IPv6Network | Literal["unix"]
UNIX: Literal["unix"] = "unix"


def _option(
    default: Any,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    secret: bool = False,
    one_of: tuple[str, ...] = (),
) -> Any:
    limits = {"at_least": at_least, "at_most": at_most, "one_of": one_of}
    return field(default=default, repr=not secret, metadata=limits)


@dataclass(frozen=True, kw_only=True)
class Connection:
    """One Redis. Exactly one of ``URL``, ``HOST``, ``PATH``, ``CACHE``, ``SENTINELS`` and ``CLUSTER`` says where it is.

    Times are in seconds. ``CACHE`` takes address and credentials from that alias in Django's ``CACHES``. ``SENTINELS``
    are "host:port" of the sentinels that know the primary of ``SERVICE``.
    """

    url: str | None = _option(None, secret=True)
    host: str | None = None
    port: int = _option(6379, at_least=1)
    path: str | None = None
    cache: str | None = None
    sentinels: tuple[str, ...] = ()
    service: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = _option(None, secret=True)
    cluster: tuple[str, ...] = _option((), secret=True)
    db: int = _option(0, at_least=0)
    username: str | None = None
    password: str | None = _option(None, secret=True)
    password_file: str | None = None
    tls: bool = False
    ca_file: str | None = None
    connect_timeout: float = _option(0.5, at_least=0.001)
    timeout: float = _option(1.0, at_least=0.001)
    max_connections: int = _option(100, at_least=1)

    PLACES = ("url", "host", "path", "cache", "sentinels", "cluster")


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """``SLIDING``: reading a session prolongs it. ``TOUCH_EVERY``: seconds between two updates of "last seen"."""

    connection: str = "default"
    sliding: bool = False
    touch_every: float = _option(300.0, at_least=1)


@dataclass(frozen=True, kw_only=True)
class Caching:
    """``LEASE``: seconds after which the call of a process that died is begun anew. ``WAIT``: seconds for which a
    caller waits for somebody else's call, before it makes its own. Values over ``MAX_BYTES`` are not stored. A process
    keeps at most ``NEAR_ENTRIES`` copies of ``NEAR_BYTES`` in all."""

    connection: str = "default"
    lease: float = _option(5.0, at_least=0.1)
    wait: float = _option(30.0, at_least=0)
    max_bytes: int = _option(4 * 1024 * 1024, at_least=1)
    near_entries: int = _option(10_000, at_least=1)
    near_bytes: int = _option(32 * 1024 * 1024, at_least=1)


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """``RULES``: name to rule (``ratelimit/rules.py`` reads them). ``ON_UNAVAILABLE``: rules that do not say it are
    "open" (let through) or "closed" (deny) while Redis is away. No rule of a request counts the networks, the paths (a
    final slash stands for all below) and the users (an attribute of theirs, such as "is_staff") of ``EXEMPT_...``.
    """

    connection: str = "default"
    on_unavailable: str = _option("open", one_of=("open", "closed"))
    rules: Mapping[str, Any] = field(default_factory=dict)
    exempt_networks: tuple[str, ...] = ()
    exempt_paths: tuple[str, ...] = ()
    exempt_users: str | None = None


@dataclass(frozen=True, kw_only=True)
class Locks:
    """Seconds, where a lock says nothing else: ``TTL`` until a dead holder's lock is free, ``WAIT`` for it (None: for
    ever), ``MAX_HOLD`` for which a living holder's is renewed (None: for ever)."""

    connection: str = "default"
    ttl: float = _option(30.0, at_least=0.01)
    wait: float | None = _option(10.0, at_least=0)
    max_hold: float | None = _option(3600.0, at_least=0)


@dataclass(frozen=True, kw_only=True)
class Leaderboards:
    """``CONNECTION``: which Redis holds the boards."""

    connection: str = "default"


@dataclass(frozen=True, kw_only=True)
class Streams:
    """Seconds: ``LEASE`` until what a vanished consumer had is taken over, ``RETENTION`` for which events are kept if
    nothing else is said (None: for ever), ``IDEMPOTENCY_TTL`` for which a key keeps an event from coming twice."""

    connection: str = "default"
    lease: float = _option(15.0, at_least=1)
    retention: float | None = _option(None, at_least=0)
    idempotency_ttl: float = _option(86400.0, at_least=1)


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
    ipv6_prefix: int = _option(64, at_least=1, at_most=128)
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
    given = dict(_mapping(getattr(django_settings, "REDIS_PATTERNS", {}), "REDIS_PATTERNS"))
    aliases = _mapping(given.pop("CONNECTIONS", {}), "CONNECTIONS")
    rooms = {room: _mapping(given.pop(room, {}), room) for room in ROOMS}
    top = _section(Settings, given, "", extra=["CONNECTIONS", *ROOMS])
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


def _room(room: str, given: Mapping[str, Any], connections: Mapping[str, Connection]) -> Any:
    section = ROOMS[room](**_section(ROOMS[room], given, f"{room}."))
    known(section.connection, connections, f"{room}.CONNECTION names no connection", "connections")
    return section


def _connection(alias: str, given: Any) -> Connection:
    where = f"CONNECTIONS[{alias!r}]"
    given = {"URL": given} if isinstance(given, str) else _mapping(given, where)
    values = _section(Connection, given, f"{where}.")
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


def _section(cls: type, given: Mapping[str, Any], where: str, extra: list[str] | None = None) -> dict[str, Any]:
    hints = get_type_hints(cls)
    options = {f.name.upper(): f for f in fields(cls)}
    for name in given:
        known(name, [*options, *(extra or [])], "REDIS_PATTERNS has no option", "options", where)
    return {options[n].name: _value(v, hints[options[n].name], options[n], where + n) for n, v in given.items()}


def known(name: Any, among: Iterable[str], complaint: str, kind: str, where: str = "") -> None:
    """Raise `InvalidConfiguration` for a *name* that is not *among* those that there are, and say which was meant."""
    names = sorted(set(among))
    if name in names:
        return
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else f" Known {kind}: {', '.join(names)}."
    raise InvalidConfiguration(f"{complaint} {where + str(name)!r}.{hint}")


def _value(value: Any, hint: Any, option: Field[Any], where: str) -> Any:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    allowed = _allowed(hint)
    if tuple in allowed and isinstance(value, list | tuple):
        value = tuple(value)
    elif float in allowed and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) not in allowed and not (isinstance(value, str) and str in allowed):
        names = " or ".join(sorted("None" if t is type(None) else t.__name__ for t in allowed))
        raise InvalidConfiguration(f"REDIS_PATTERNS {where} must be {names}, not {type(value).__name__}.")
    least = option.metadata.get("at_least")
    if least is not None and value is not None and not value >= least:
        raise InvalidConfiguration(f"REDIS_PATTERNS {where} must be at least {least:g}.")
    most = option.metadata.get("at_most")
    if most is not None and value is not None and not value <= most:
        raise InvalidConfiguration(f"REDIS_PATTERNS {where} must be at most {most:g}.")
    choices = option.metadata.get("one_of")
    if choices and value not in choices:
        raise InvalidConfiguration(f"REDIS_PATTERNS {where} must be {' or '.join(map(repr, choices))}, not {value!r}.")
    return value


def _allowed(hint: Any) -> set[type]:
    if isinstance(hint, type):
        return {hint}
    if get_origin(hint) is Mapping:
        return {dict}
    members = get_args(hint)
    return {tuple} if Ellipsis in members else {t for t in members if isinstance(t, type)}


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidConfiguration(f"{where} in REDIS_PATTERNS must be a dict, not {type(value).__name__}.")
    return value
