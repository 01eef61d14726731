"""Many commands to a cluster in one go: one plain pipeline per node, and each reply back in its command's place.

redis-py's cluster pipelines would send a command again after a lost reply, or fail the commands of one node for
another's sake.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import redis
from redis.asyncio.cluster import PipelineCommand
from redis.exceptions import AskError, MaxConnectionsError, MovedError, RedisClusterException, TryAgainError

from .command import Command
from .errors import DRIVER_ERRORS

# Redirections say that the command has not run.
_REDIRECTED = (MovedError, AskError, TryAgainError)
_LOST = (redis.ConnectionError, redis.TimeoutError)

Shares = dict[str, tuple[Any, list[int]]]


def round_trip(to: Any, commands: Sequence[Command]) -> list[Any]:
    """Send *commands* to their nodes, one node after the other; errors stand in their places."""
    shares: Shares = {}
    for place, command in enumerate(commands):
        node = _node(to, command)
        shares.setdefault(node.name, (node, []))[1].append(place)
    replies: list[Any] = [None] * len(commands)
    for node, places in shares.values():
        for place, reply in zip(places, _ask(to, node, [commands[place] for place in places]), strict=True):
            replies[place] = _follow(to, commands[place]) if isinstance(reply, _REDIRECTED) else reply
    return replies


def addressed(to: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return *options* with the node that ``target_nodes`` names as the driver's object for it.

    Whoever asks does not know those: there is one kind for threads, and one for event loops.
    """
    name = options.get("target_nodes", "")
    if ":" not in name:  # no word for several nodes has one
        return options
    node = to.get_node(node_name=name)
    if node is None:
        raise redis.ConnectionError(f"the cluster has lost its node {name}")
    return options | {"target_nodes": node}


def _node(to: Any, command: Command) -> Any:
    try:
        slot = to.determine_slot(*command.args)
    except RedisClusterException:  # no key: any node will do; keys of several slots: any node will say so
        return to.get_default_node()
    return to.nodes_manager.get_node_from_slot(slot)


def _ask(to: Any, node: Any, commands: Sequence[Command]) -> list[Any]:
    pipeline = to.get_redis_connection(node).pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command.args, **command.options)
    try:
        return list(pipeline.execute(raise_on_error=False))
    except redis.RedisError as error:
        if _is_lost(error):
            with contextlib.suppress(*DRIVER_ERRORS):  # whoever comes next looks again
                to.nodes_manager.initialize(last_failed_node_name=node.name)
        return [error] * len(commands)


def _follow(to: Any, command: Command) -> Any:
    try:
        return to.execute_command(*command.args, **command.options)
    except DRIVER_ERRORS as error:
        return error


def _is_lost(reply: Any) -> bool:
    return isinstance(reply, _LOST) and not isinstance(reply, MaxConnectionsError)


async def around_trip(to: Any, commands: Sequence[Command]) -> list[Any]:
    """The same on the running event loop, all nodes at once."""
    await to.initialize()
    shares: Shares = {}
    for place, command in enumerate(commands):
        node = await _anode(to, command)
        shares.setdefault(node.name, (node, []))[1].append(place)
    replies: list[Any] = [None] * len(commands)

    async def take(node: Any, places: list[int]) -> None:
        for place, reply in zip(places, await _aask(to, node, [commands[place] for place in places]), strict=True):
            replies[place] = await _afollow(to, commands[place]) if isinstance(reply, _REDIRECTED) else reply

    await asyncio.gather(*(take(node, places) for node, places in shares.values()))
    return replies


async def _anode(to: Any, command: Command) -> Any:
    try:
        slot = await to._determine_slot(*command.args)
    except RedisClusterException:
        return to.get_default_node()
    return to.nodes_manager.get_node_from_slot(slot)


async def _aask(to: Any, node: Any, commands: Sequence[Command]) -> list[Any]:
    staged = [PipelineCommand(place, *command.args, **command.options) for place, command in enumerate(commands)]
    try:
        await node.execute_pipeline(staged)
        replies = [command.result for command in staged]
    except redis.RedisError as error:
        replies = [error] * len(commands)
    if any(_is_lost(reply) for reply in replies):
        to._initialize = True  # whoever comes next looks where the slots are now
    return replies


async def _afollow(to: Any, command: Command) -> Any:
    try:
        return await to.execute_command(*command.args, **command.options)
    except DRIVER_ERRORS as error:
        return error
