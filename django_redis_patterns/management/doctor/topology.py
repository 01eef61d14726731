"""Who is there: one server, a primary behind sentinels, or a cluster."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis
from redis.cluster import RedisCluster

from django_redis_patterns.core.connections.build import Client
from django_redis_patterns.core.connections.errors import DRIVER_ERRORS
from django_redis_patterns.core.connections.options import Target

from .findings import Finding, error, ok, unknown, warning


@dataclass(frozen=True)
class Node:
    """One server that takes writes, and a client of it alone."""

    name: str
    client: redis.Redis


def place(where: Target) -> str:
    """Return where that is, without credentials."""
    if where.cluster:
        return "cluster " + " ".join(f"{host}:{port}" for host, port in where.cluster)
    if where.sentinels:
        return f"{where.service} behind sentinels " + " ".join(f"{host}:{port}" for host, port in where.sentinels)
    return _address(where.options) + (f" database {db}" if (db := where.options.get("db")) else "")


def nodes(where: Target, client: Client) -> list[Node]:
    """Return the servers that take writes."""
    if isinstance(client, RedisCluster):
        found: Any = sorted(_primaries(client), key=lambda node: str(node.name))
        return [Node(node.name, client.get_redis_connection(node)) for node in found]
    if where.sentinels:
        host, port = client.connection_pool.get_master_address()  # type: ignore[attr-defined]
        return [Node(f"{host}:{port}", client)]
    return [Node(_address(where.options), client)]


def examine(where: Target, client: Client) -> Iterator[Finding]:
    """Describe the topology."""
    if isinstance(client, RedisCluster):
        return _cluster(client)
    return _sentinels(where, client) if where.sentinels else _standalone(client)


def _standalone(client: redis.Redis) -> Iterator[Finding]:
    info: Any = client.info("replication")
    if info["role"] != "master":
        cure = "Name the primary, or SENTINELS and SERVICE instead of HOST."
        yield error("topology", "a replica: it takes no writes", cure, kind="standalone", role="replica")
        return
    replicas = info["connected_slaves"]
    text = f"standalone, {_count(replicas, 'replica')}"
    yield ok("topology", text, kind="standalone", role="primary", replicas=replicas)


def _sentinels(where: Target, client: redis.Redis) -> Iterator[Finding]:
    sentinels = client.connection_pool.sentinel_manager.sentinels  # type: ignore[attr-defined]
    asked = [_named(sentinel, where.service) for sentinel in sentinels]
    answers = [answer for answer in asked if answer]
    values: dict[str, Any] = {"kind": "sentinel", "sentinels": len(asked), "answering": len(answers), "primary": ""}
    if not answers:
        yield error("topology", f"none of {len(asked)} sentinels knows {where.service}", "Look after them.", **values)
        return
    primary, votes = Counter(answers).most_common(1)[0]
    values["primary"] = primary
    text = f"sentinels: {primary} is the primary; {len(answers)} of {len(asked)} answer"
    if votes < len(answers):
        yield warning("topology", f"{text}, and they do not agree", "A failover may be on its way.", **values)
    elif len(answers) < len(asked):
        yield warning("topology", text, "A failover needs a majority of them.", **values)
    else:
        yield ok("topology", text, **values)


def _named(sentinel: redis.Redis, service: str) -> str:
    """Return whom *sentinel* names; "" when it does not answer."""
    try:
        found: Any = sentinel.sentinel_get_master_addr_by_name(service)
    except DRIVER_ERRORS:
        return ""
    return f"{_text(found[0])}:{found[1]}" if found else ""


def _cluster(client: RedisCluster) -> Iterator[Finding]:
    primaries, replicas = len(_primaries(client)), len(client.get_replicas())  # type: ignore[no-untyped-call]
    text = f"cluster of {_count(primaries, 'primary', 'primaries')} and {_count(replicas, 'replica')}"
    values: dict[str, Any] = {"kind": "cluster", "primaries": primaries, "replicas": replicas}
    try:
        told: Any = client.cluster_info(target_nodes=RedisCluster.RANDOM)
    except DRIVER_ERRORS as refusal:
        yield unknown("topology", f"{text}; its state is not known: {refusal}", **values)
        return
    state = told["cluster_state"]
    if state != "ok":
        slots = f"{told.get('cluster_slots_ok', '?')} of 16384 slots are served"
        yield error("topology", f"{text}: state {state}, {slots}", "Look after its nodes.", state=state, **values)
    elif not replicas:
        cure = "With a replica for each primary its share would stay available."
        yield warning("topology", f"{text}: what one node holds is away when it is", cure, state=state, **values)
    else:
        yield ok("topology", f"{text}: all slots are served", state=state, **values)


def _primaries(client: RedisCluster) -> list[Any]:
    return list(client.get_primaries())  # type: ignore[no-untyped-call]


def _address(options: dict[str, Any]) -> str:
    return str(options["path"]) if "path" in options else f"{options['host']}:{options['port']}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one}" if number == 1 else f"{number} {many or one + 's'}"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
