"""What a room's user has to be allowed, to the word, and what the present one is not."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import redis
from django.conf import settings as django_settings
from redis.exceptions import NoPermissionError, ResponseError

from django_redis_patterns.conf import settings
from django_redis_patterns.core.connections.errors import DRIVER_ERRORS
from django_redis_patterns.core.connections.options import Target
from django_redis_patterns.realtime.layers import BY_ALIAS

from . import caches
from .findings import Finding, error, ok, reason, unknown
from .topology import Node

#: What the doctor itself asks for, and does without.
DOCTOR = ("ACL WHOAMI", "INFO", "MULTI", "PING", "TIME")
_OF_CLUSTER = ("CLUSTER SLOTS", "COMMAND")
_ON_CHANNELS = ("PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE")
_CALL = re.compile(r"redis\.p?call\(([^,)]*)")
_CONTAINER = re.compile(r"redis\.p?call\('(XGROUP|XINFO)', '([A-Z]+)'")
_WORD = re.compile(r"'([A-Z]+)'")
_GLOB = re.compile(r"[\\*?\[\]]")
_STAR_OR_ESCAPED = re.compile(r"\\(.)|\*")
#: Arguments with which a command may be asked for; without an entry its key is enough. Nothing is ever run.
SAMPLES = {
    **dict.fromkeys((*_OF_CLUSTER, "PING", "TIME"), ""),
    "SCAN": "0",
    **dict.fromkeys(("HDEL", "HGET", "HMGET", "ZMSCORE", "ZRANK", "ZREM", "ZREVRANK", "ZSCORE"), "{name} m"),
    **dict.fromkeys(("ZCOUNT", "ZRANGE", "ZRANGEBYSCORE", "ZREMRANGEBYSCORE", "ZREVRANGE"), "{name} 0 1"),
    **dict.fromkeys(("EXPIREAT", "INCRBY", "PEXPIRE", "PEXPIREAT", "SADD", "SET", "ZSCAN"), "{name} 1"),
    "GETRANGE": "{name} 0 1",
    "HINCRBY": "{name} f 1",
    **dict.fromkeys(("RENAME", "RENAMENX"), "{name} {name}"),
    **dict.fromkeys(("EVAL", "EVALSHA"), "x 1 {name}"),
    **dict.fromkeys(("SUBSCRIBE", "UNSUBSCRIBE"), "{name}"),
    "LINDEX": "{name} 0",
    "LPUSH": "{name} 1",
    "LREM": "{name} 1 m",
    "LTRIM": "{name} 0 1",
    "PUBLISH": "{name} m",
    "SELECT": "0",
    "HSET": "{name} f v",
    "ZADD": "{name} 1 m",
    "ZINCRBY": "{name} 1 m",
    "ZUNIONSTORE": "{name} 1 {name}",
    "HSETNX": "{name} f v",
    "SPOP": "{name} 1",
    "XACK": "{name} g 1-1",
    "XADD": "{name} * f v",
    "XCLAIM": "{name} g c 0 1-1",
    "XDEL": "{name} 1-1",
    "XGROUP CREATE": "{name} g 0",
    "XGROUP DELCONSUMER": "{name} g c",
    "XGROUP SETID": "{name} g 0",
    "XINFO CONSUMERS": "{name} g",
    "XPENDING": "{name} g",
    **dict.fromkeys(("XRANGE", "XREVRANGE"), "{name} - +"),
    "XREAD": "STREAMS {name} 0",
    "XREADGROUP": "GROUP g c STREAMS {name} >",
    "XTRIM": "{name} MAXLEN 1",
}


def needs(room: str) -> Any:
    """Return the module in which *room* says what it needs."""
    name = "caching.backend" if caches.is_one(room) else room
    return import_module(f"django_redis_patterns.{name}.needs")


@cache
def commands(room: str) -> frozenset[str]:
    """Return what *room* sends, and what its scripts call."""
    module = needs(room)
    scripts = [path.read_text() for path in sorted((Path(module.__file__).parent / "lua").glob("*.lua"))]
    called = {word for text in scripts for call in _CALL.findall(text) for word in _WORD.findall(call)}
    parts = {pair for text in scripts for pair in _CONTAINER.findall(text)}
    whole = called - {container for container, _ in parts} | {" ".join(pair) for pair in parts}
    return frozenset({*module.COMMANDS, *whole, *(("EVALSHA", "EVAL") if scripts else ())})


def words(room: str, where: Target) -> list[str]:
    """Return the words of ``ACL SETUSER`` that give what *room* needs on *where*, and nothing more."""
    return [*_keys(room), *_channels(room), *_allowed(_asked(room, where))]


def line(room: str, where: Target) -> str:
    """Return a line to paste. Lines for one user add up; who is new needs ``resetchannels on >PASSWORD`` first."""
    return f"ACL SETUSER {_user(where)} {' '.join(words(room, where))}"


def doctors_line(where: Target) -> str:
    """Return the line for what the doctor asks."""
    return f"ACL SETUSER {_user(where)} {' '.join(_allowed([*DOCTOR, *(['CLUSTER INFO'] if where.cluster else [])]))}"


def examine(room: str, where: Target, node: Node) -> Iterator[Finding]:
    """Tell what the present user lacks."""
    asked = _asked(room, where)
    samples = [sample for command in asked for sample in _samples(room, command)]
    try:
        refusals = _ask(node.client, [sample.args for sample in samples])
    except DRIVER_ERRORS as refusal:
        yield unknown("rights", f"not known: {reason(refusal)}")
        return
    lacking = sorted({_word(sample, text) for sample, text in zip(samples, refusals, strict=True) if text})
    if lacking:
        yield error("rights", f"the user lacks {' '.join(lacking)}", line(room, where), lacking=lacking)
    else:
        yield ok("rights", f"all {len(asked)} commands are allowed", lacking=[])


def _asked(room: str, where: Target) -> list[str]:
    """Return what *room* sends on *where*, and what a connection sends for itself."""
    own = {"PING", *(["SELECT"] if where.options.get("db") else []), *(_OF_CLUSTER if where.cluster else [])}
    return sorted(commands(room) | own)


def _keys(room: str) -> list[str]:
    if caches.is_one(room):
        return [f"~{caches.keys(room)}"]
    return [f"~{_prefix()}:{pattern}" for pattern in needs(room).KEYS]


def _channels(room: str) -> list[str]:
    layers = getattr(django_settings, "CHANNEL_LAYERS", {}).values()
    if caches.is_one(room):
        return []
    is_ours = room == "realtime" and any(layer.get("BACKEND") == BY_ALIAS for layer in layers)
    return [f"&{_prefix()}:{pattern}" for pattern in (*needs(room).CHANNELS, *(["asgi*"] if is_ours else []))]


def _prefix() -> str:
    return _GLOB.sub(r"\\\g<0>", settings().prefix)


def _allowed(names: Iterable[str]) -> list[str]:
    return [f"+{name.lower().replace(' ', '|')}" for name in sorted(names)]


def _user(where: Target) -> str:
    return str(where.options.get("username") or "NAME")


class _Sample(NamedTuple):
    """A command to ask for, and the word of ACL that lets it have its keys or its channel."""

    command: str
    args: list[str]
    pattern: str


def _samples(room: str, command: str) -> list[_Sample]:
    """Return *command* with each kind of key or channel that *room* has."""
    template = SAMPLES.get(command, "{name}")
    patterns = (_channels(room) if command in _ON_CHANNELS else _keys(room)) if "{name}" in template else [""]
    return [_Sample(command, [*command.split(), *_filled(template, pattern)], pattern) for pattern in patterns]


def _filled(template: str, pattern: str) -> list[str]:
    name = _STAR_OR_ESCAPED.sub(lambda found: found[1] or "x", pattern[1:])
    return [word.replace("{name}", name) for word in template.split()]


def _ask(client: redis.Redis, samples: list[list[str]]) -> list[str]:
    """Return why the server would refuse each of *samples*, "" when it would not. None of them is run."""
    try:
        return _dry_run(client, samples)
    except ResponseError:  # older than 7.0, or not allowed
        return _queued(client, samples)


def _dry_run(client: redis.Redis, samples: list[list[str]]) -> list[str]:
    name: Any = client.acl_whoami()
    pipeline = client.pipeline(transaction=False)
    for sample in samples:
        pipeline.execute_command("ACL DRYRUN", name, *sample)  # type: ignore[no-untyped-call]
    answers = [told.decode() if isinstance(told, bytes) else str(told) for told in pipeline.execute()]
    return ["" if text in ("OK", "True") else text for text in answers]


def _queued(client: redis.Redis, samples: list[list[str]]) -> list[str]:
    """Ask in a transaction that is given up: permission is looked at when a command is queued."""
    connection: Any = client.connection_pool.get_connection()
    try:
        connection.send_command("MULTI")
        connection.read_response()  # raises when it is refused, and then nothing else may be sent
        connection.send_packed_command(connection.pack_commands(samples))
        return [_refusal(connection) for _ in samples]
    finally:
        connection.disconnect()  # which discards it
        client.connection_pool.release(connection)


def _refusal(connection: Any) -> str:
    try:
        connection.read_response()
    except NoPermissionError as refusal:
        return str(refusal)
    except ResponseError:  # it may, and there is something else: another node has the key
        pass
    return ""


def _word(sample: _Sample, refusal: str) -> str:
    """Return the word of ACL that would have helped."""
    return _allowed([sample.command])[0] if "to run " in refusal else sample.pattern
