"""The one choke point: every command of every room leaves here, is traced, and its errors get our names."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from redis.exceptions import MaxConnectionsError

from django_redis_patterns.core import trace

from . import cluster
from .breaker import breaker
from .clients import aclient, client, is_cluster, on_reset
from .command import Command
from .errors import DRIVER_ERRORS
from .exchange import Turn, again

on_reset(breaker.cache_clear)


def send(commands: Sequence[Command]) -> list[Any]:
    """Send *commands*, all of one alias, in one trip (on a cluster: one per node). Errors stand in their places.

    What may be sent again is, within the alias' time budget.
    """
    gate = breaker(commands[0].alias)
    if (refusal := gate.refusal()) is not None:
        return [refusal] * len(commands)
    started = time.monotonic()
    replies = _trip(Turn(commands))
    if _is_fine(replies):
        gate.answered()
        return replies
    talk = again(commands, replies, started)
    try:
        turn = next(talk)
        while True:
            time.sleep(turn.pause)
            turn = talk.send(_trip(turn))
    except StopIteration as end:
        return list(end.value)


async def asend(commands: Sequence[Command]) -> list[Any]:
    """The same on the running event loop."""
    gate = breaker(commands[0].alias)
    if (refusal := gate.refusal()) is not None:
        return [refusal] * len(commands)
    started = time.monotonic()
    replies = await _atrip(Turn(commands))
    if _is_fine(replies):
        gate.answered()
        return replies
    talk = again(commands, replies, started)
    try:
        turn = next(talk)
        while True:
            await asyncio.sleep(turn.pause)
            turn = talk.send(await _atrip(turn))
    except StopIteration as end:
        return list(end.value)


def _is_fine(replies: list[Any]) -> bool:
    return not any(isinstance(reply, Exception) for reply in replies)


def _trip(turn: Turn) -> list[Any]:
    started = time.perf_counter()
    commands = turn.commands
    first = commands[0]
    try:
        to: Any = client(first.alias, block=first.block)
        if turn.renew and not is_cluster(first.alias):
            to.connection_pool.disconnect(inuse_connections=False)
        if len(commands) == 1:
            replies = [to.execute_command(*first.args, **cluster.addressed(to, first.options))]
        elif is_cluster(first.alias):
            replies = cluster.round_trip(to, commands)
        else:
            replies = to.in_one_trip([(command.args, command.options) for command in commands])
    except DRIVER_ERRORS as error:
        replies = [error] * len(commands)
    return _told(commands, replies, started)


async def _atrip(turn: Turn) -> list[Any]:
    started = time.perf_counter()
    commands = turn.commands
    first = commands[0]
    try:
        to: Any = await aclient(first.alias, block=first.block)
        is_one = not is_cluster(first.alias)
        if turn.renew and is_one:
            await to.connection_pool.disconnect(inuse_connections=False)
        if len(commands) == 1:
            replies = [await to.execute_command(*first.args, **cluster.addressed(to, first.options))]
        elif not is_one:
            replies = await cluster.around_trip(to, commands)
        else:
            pipeline = to.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command.args, **command.options)
            replies = await pipeline.execute(raise_on_error=False)
    except DRIVER_ERRORS as error:
        replies = [error] * len(commands)
    return _told(commands, replies, started)


def _told(commands: Sequence[Command], replies: list[Any], started: float) -> list[Any]:
    if not isinstance(replies[0], MaxConnectionsError):  # then nothing travelled
        trace.told(commands, replies, time.perf_counter() - started)
    return replies
