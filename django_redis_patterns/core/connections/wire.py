"""The one choke point: every command of every room leaves here, is traced, and its errors get our names."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import redis
from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster
from redis.cluster import RedisCluster
from redis.exceptions import AskError, MovedError, TryAgainError

from django_redis_patterns.core import trace
from django_redis_patterns.exceptions import RedisDenied, RedisUnavailable

from .clients import aclient, client

_DENIED = (
    redis.exceptions.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.exceptions.NoPermissionError,
)
_AWAY = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
)
# Only the redirections of a cluster are sent again; whatever may have run is not.
_REDIRECTED = (MovedError, AskError, TryAgainError)


@dataclass
class Command:
    """One command for the connection *alias*; ``block`` is how many seconds it may block, ``script`` its name."""

    alias: str
    args: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)
    block: float = 0
    script: str | None = None


def send(commands: Sequence[Command]) -> list[Any]:
    """Send *commands*, all of one alias, in one trip (on a cluster: one per node). Errors stand in their places."""
    started = time.perf_counter()
    first = commands[0]
    try:
        to: Any = client(first.alias, block=first.block)
        if len(commands) == 1:
            replies = [to.execute_command(*first.args, **first.options)]
        elif isinstance(to, RedisCluster):
            replies = _cluster_round(to, commands)
        else:
            pipeline = to.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command.args, **command.options)
            replies = pipeline.execute(raise_on_error=False)
    except redis.RedisError as error:
        replies = [error] * len(commands)
    return _received(commands, replies, started)


async def asend(commands: Sequence[Command]) -> list[Any]:
    """The same on the running event loop."""
    started = time.perf_counter()
    first = commands[0]
    try:
        to: Any = await aclient(first.alias, block=first.block)
        if len(commands) == 1:
            replies = [await to.execute_command(*first.args, **first.options)]
        else:
            pipeline = to.pipeline() if isinstance(to, AsyncRedisCluster) else to.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command.args, **command.options)
            replies = await pipeline.execute(raise_on_error=False)
    except redis.RedisError as error:
        replies = [error] * len(commands)
    return _received(commands, replies, started)


def _received(commands: Sequence[Command], replies: Sequence[Any], started: float) -> list[Any]:
    trace.told(commands, replies, time.perf_counter() - started)
    alias = commands[0].alias
    return [named(reply, alias) if isinstance(reply, redis.RedisError) else reply for reply in replies]


def named(error: redis.RedisError, alias: str) -> Exception:
    """Return *error* under our name for it, if we have one."""
    if isinstance(error, _DENIED):
        return _because(RedisDenied(alias, error), error)
    if isinstance(error, _AWAY):
        ambiguous = not getattr(error, "never_sent", False)
        return _because(RedisUnavailable(alias, error, ambiguous=ambiguous), error)
    return error


def _because(ours: Exception, error: Exception) -> Exception:
    ours.__cause__ = error
    return ours


def _cluster_round(to: Any, commands: Sequence[Command]) -> list[Any]:
    """One plain pipeline per node: redis-py's cluster pipeline would send a command again after a lost reply."""
    nodes: dict[str, tuple[Any, list[int]]] = {}
    for i, command in enumerate(commands):
        node = to.nodes_manager.get_node_from_slot(to.determine_slot(*command.args))
        nodes.setdefault(node.name, (node, []))[1].append(i)
    replies: list[Any] = [None] * len(commands)
    for node, mine in nodes.values():
        for i, reply in zip(mine, _node_round(to, node, [commands[i] for i in mine]), strict=True):
            replies[i] = _redirected(to, commands[i]) if isinstance(reply, _REDIRECTED) else reply
    return replies


def _node_round(to: Any, node: Any, commands: Sequence[Command]) -> Sequence[Any]:
    pipeline = to.get_redis_connection(node).pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command.args, **command.options)
    try:
        return list(pipeline.execute(raise_on_error=False))
    except redis.RedisError as error:
        return [error] * len(commands)


def _redirected(to: Any, command: Command) -> Any:
    try:
        return to.execute_command(*command.args, **command.options)
    except redis.RedisError as error:
        return error
