"""What one server is and how it is: version, memory, persistence, connections."""

from collections.abc import Iterator
from typing import Any

from .findings import Finding, error, ok, warning
from .topology import Node

FLOOR = (6, 2)
CVE = "CVE-2025-49844"
#: The first version of each line without it. Lines that are older get no fix, newer ones never had it.
FIXED = {
    "Redis": {(6, 2): 20, (7, 2): 11, (7, 4): 6, (8, 0): 4, (8, 2): 2},
    "Valkey": {(7, 2): 11, (8, 0): 6, (8, 1): 4},
}
#: What came later than the oldest server that is good enough.
LATER = {
    "Redis": {
        (7, 0): "ACL DRYRUN",
        (7, 2): "ZRANK WITHSCORE",
        (7, 4): "a TTL for fields of a hash",
        (8, 2): "XACKDEL",
        (8, 4): "XREADGROUP CLAIM",
    },
    "Valkey": {(9, 0): "a TTL for fields of a hash"},
}
SAVED = {"aof": "append-only file", "rdb": "snapshots are taken", "none": "no append-only file, and no snapshot yet"}
MANY_CONNECTIONS = 0.8


def version(node: Node) -> Iterator[Finding]:
    """Is it new enough, and without the hole that lets who may run Lua run anything?"""
    info: Any = node.client.info("server")
    make = "Valkey" if "valkey_version" in info else "Redis"
    text = str(info["valkey_version" if make == "Valkey" else "redis_version"])
    number = tuple(int(part) for part in text.split(".")[:3] if part.isdecimal())
    values = {"make": make, "version": text}
    if number < FLOOR:
        yield error("server", f"{make} {text} is too old", "Use Redis 6.2 or later, or Valkey.", **values)
        return
    lacks = [f"{what} ({at[0]}.{at[1]})" for at, what in LATER[make].items() if number < at]
    yield ok("server", f"{make} {text}" + (f"; newer ones add {', '.join(lacks)}" if lacks else ""), **values)
    if _is_vulnerable(make, number):
        cure = "Update it. Packages of a distribution may carry the fix under the old number: read their changelog."
        yield warning("server", f"{make} {text} has {CVE}: who may run a script can run anything", cure, cve=CVE)


def _is_vulnerable(make: str, number: tuple[int, ...]) -> bool:
    line, patch = number[:2], number[2] if len(number) > 2 else 0
    fixed = FIXED[make]
    return patch < fixed[line] if line in fixed else line < max(fixed)


def memory(node: Node) -> Iterator[Finding]:
    """How much it may take, and what it does then."""
    info: Any = node.client.info("memory")
    most, used, policy = int(info["maxmemory"]), int(info["used_memory"]), str(info["maxmemory_policy"])
    values: dict[str, Any] = {"maxmemory": most, "used": used, "policy": policy}
    if not most:
        text = f"{_size(used)} used without a limit ({policy} has nothing to do): a full machine kills Redis"
        yield warning("memory", text, "Set maxmemory.", **values)
    else:
        yield ok("memory", f"{_size(used)} of {_size(most)} used, then {policy}", **values)


def persistence(node: Node) -> Iterator[Finding]:
    """What survives a restart. INFO does not tell what is configured, but whether it was done."""
    info: Any = node.client.info("persistence")
    kind = "aof" if int(info["aof_enabled"]) else "rdb" if _has_saved(node, info) else "none"
    if kind == "aof" and info.get("aof_last_write_status", "ok") != "ok":
        yield error("persistence", "the last write to the append-only file failed", "Look at its disk.", kind=kind)
    elif kind != "none" and info.get("rdb_last_bgsave_status", "ok") != "ok":
        cure = "Look at its disk and its memory; Redis may refuse writes until then (MISCONF)."
        yield error("persistence", "the last snapshot failed", cure, kind=kind)
    else:
        yield ok("persistence", SAVED[kind], kind=kind)


def _has_saved(node: Node, info: Any) -> bool:
    if "rdb_saves" in info:
        return int(info["rdb_saves"]) > 0
    server: Any = node.client.info("server")
    started = int(server["server_time_usec"]) // 1_000_000 - int(server["uptime_in_seconds"])
    return int(info["rdb_last_save_time"]) > started + 1


def connections(node: Node) -> Iterator[Finding]:
    """How many more there may be."""
    info: Any = node.client.info("clients")
    used, most = int(info["connected_clients"]), int(info["maxclients"])
    text = f"{used} of {most} in use"
    if used > MANY_CONNECTIONS * most:
        yield warning("connections", text, "Raise maxclients, or lower MAX_CONNECTIONS.", used=used, maxclients=most)
    else:
        yield ok("connections", text, used=used, maxclients=most)


def _size(number: int) -> str:
    size = float(number)
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"
