"""From an alias in the settings to the full set of redis-py options: nothing is left to a library default."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from redis.connection import parse_url

from django_redis_patterns.conf import Connection, settings
from django_redis_patterns.exceptions import InvalidConfiguration

from .caches import borrowed

Kind = Literal["tcp", "tls", "unix"]
Address = tuple[str, int]

HEALTH_CHECK_SECONDS = 15
#: Seconds from the start of a call within which it may try again.
RETRY_WINDOW = 0.5
#: The least seconds that one sentinel is given to answer.
LEAST_FOR_SENTINEL = 0.1
PLAIN_URL = "write redis://user:password@host:port/0, with / ? # [ ] in the password as %2F %3F %23 %5B %5D"

_declared: dict[str, Connection] = {}


@dataclass(frozen=True)
class Target:
    """Where one Redis is: the kind of socket, redis-py's connection options (they may hold a password), start nodes.

    On a cluster the options' host and port are those of the first start node. Behind sentinels they have neither.
    """

    kind: Kind
    options: dict[str, Any] = field(repr=False)
    max_connections: int
    cluster: tuple[Address, ...] = ()
    sentinels: tuple[Address, ...] = ()
    service: str = ""
    sentinel_options: dict[str, Any] = field(default_factory=dict, repr=False)

    def place(self) -> tuple[Any, ...]:
        """Return what two targets share when they are one database."""
        o = self.options
        where = (self.service, *sorted(self.sentinels)) if self.sentinels else (o.get("host"), o.get("port"))
        return (o.get("path") or where, o.get("db", 0))

    @property
    def budget(self) -> float:
        """The most seconds of a call whose server says nothing: to find it, to connect, to answer, to try again.

        On a cluster every node may have to be asked in vain where the slots are now.
        """
        one = self.options["socket_connect_timeout"] + self.options["socket_timeout"]
        sentinels = 2 * sum(self.sentinel_options["socket_timeout"] for _ in self.sentinels)
        return float(one * (1 + len(self.cluster)) + sentinels + RETRY_WINDOW)


def target(alias: str) -> Target:
    """Return where *alias* points. Raises `InvalidConfiguration` for an alias nobody configured."""
    connections = settings().connections
    connection = connections.get(alias) or _declared.get(alias)
    if connection is None:
        known = ", ".join(sorted(connections))
        raise InvalidConfiguration(f"REDIS_PATTERNS CONNECTIONS has no {alias!r}. It has: {known}.")
    return resolve(alias, connection)


def declare(name: str, connection: Connection) -> str:
    """Return an alias of *connection*, which REDIS_PATTERNS does not have; errors call it *name*, or nearly so."""
    while _declared.setdefault(name, connection) != connection:
        name += "'"
    return name


def resolve(alias: str, connection: Connection) -> Target:
    """Return where *connection* points."""
    if connection.cache is not None:
        return resolve(alias, borrowed(alias, connection))
    if connection.cluster:
        return _cluster(alias, connection)
    if connection.sentinels:
        return _sentinel(alias, connection)
    return Target(*_address(alias, connection.url, connection), connection.max_connections)


def _cluster(alias: str, connection: Connection) -> Target:
    nodes = [_address(alias, url, connection) for url in connection.cluster]
    for kind, options in nodes:
        if kind == "unix" or options["db"]:
            what = "a socket file" if kind == "unix" else f"database {options['db']}"
            raise _invalid(alias, f"names {what}, and a cluster has none: write redis://host:port, and no DB")
    kind, first = nodes[0]
    places = tuple((options["host"], options["port"]) for _, options in nodes)
    return Target(kind, first, connection.max_connections, cluster=places)


def _sentinel(alias: str, connection: Connection) -> Target:
    kind, options = _address(alias, None, connection)
    for name in ("host", "port"):
        options.pop(name)
    addresses = tuple(_host_port(alias, text) for text in connection.sentinels)
    login = {"username": connection.sentinel_username, "password": connection.sentinel_password}
    each = max(connection.connect_timeout / len(addresses), LEAST_FOR_SENTINEL)
    tls = _trust(alias, connection) if kind == "tls" else {}
    asking = _always(connection) | {"socket_timeout": each, "socket_connect_timeout": each, "health_check_interval": 0}
    return Target(
        kind,
        options,
        connection.max_connections,
        sentinels=addresses,
        service=connection.service or "",
        sentinel_options={**asking, **tls, **{k: v for k, v in login.items() if v}},
    )


def _host_port(alias: str, text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or "/" in text:
        raise _invalid(alias, f'has {text!r} among its SENTINELS: write "host:port", such as "sentinel1:26379"')
    return host.strip("[]"), int(port)


def _address(alias: str, url: str | None, connection: Connection) -> tuple[Kind, dict[str, Any]]:
    parts = _parse(alias, url) if url else {}
    tls = connection.tls or (url or "").startswith("rediss://")
    path = parts.pop("path", None) or connection.path
    parts.pop("connection_class", None)
    kind: Kind = "unix" if path else "tls" if tls else "tcp"
    place = {"path": path} if path else {"host": connection.host or "localhost", "port": connection.port}
    options = {
        **place,
        **_credentials(alias, connection),
        "db": connection.db,
        **(_trust(alias, connection) if kind == "tls" else {}),
        **parts,
        **_always(connection),
    }
    if kind != "unix":
        options["socket_keepalive"] = True
    return kind, options


def _parse(alias: str, url: str) -> dict[str, Any]:
    scheme, is_url, rest = url.partition("://")
    try:
        parts = dict(parse_url(url))  # type: ignore[no-untyped-call]
    except ValueError as error:
        known = str(error).startswith(("Redis URL must", "Invalid value for"))  # others quote a piece, maybe a password
        what = f"of scheme {scheme!r} that cannot be read" if is_url else "without a scheme"
        raise _invalid(alias, f"has an URL {what}: {error if known else PLAIN_URL}") from None
    if scheme != "unix" and "@" in rest.partition("?")[0].partition("/")[2]:
        raise _invalid(alias, f"has an URL with an @ behind its host: {PLAIN_URL}")
    return parts


def _credentials(alias: str, connection: Connection) -> dict[str, Any]:
    password = connection.password
    if connection.password_file:
        try:
            password = Path(connection.password_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise _invalid(alias, f"has a PASSWORD_FILE that cannot be read: {error}") from None
    return {k: v for k, v in (("username", connection.username), ("password", password)) if v}


def _trust(alias: str, connection: Connection) -> dict[str, Any]:
    if not connection.ca_file:
        return {}
    if not Path(connection.ca_file).is_file():
        raise _invalid(alias, f"has a CA_FILE that is no file: {connection.ca_file!r}. Write the path of a PEM file")
    return {"ssl_ca_certs": connection.ca_file}


def _always(connection: Connection) -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_connect_timeout": connection.connect_timeout,
        "socket_timeout": connection.timeout,
        "health_check_interval": HEALTH_CHECK_SECONDS,
        "encoding": "utf-8",
        "encoding_errors": "strict",
        "decode_responses": False,
        "client_name": None,
        "driver_info": None,
    }


def _invalid(alias: str, what: str) -> InvalidConfiguration:
    return InvalidConfiguration(f"REDIS_PATTERNS CONNECTIONS[{alias!r}] {what}.")
