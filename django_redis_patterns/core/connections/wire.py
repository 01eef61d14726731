"""The one choke point: every command of every room leaves here, is traced, and its errors get our names."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster
from redis.cluster import RedisCluster
from redis.exceptions import MaxConnectionsError

from django_redis_patterns.core import trace

from . import cluster
from .breaker import breaker
from .clients import aclient, client, on_reset, patience
from .command import Command
from .errors import DRIVER_ERRORS
from .exchange import Turn, exchange

on_reset(breaker.cache_clear)


def send(commands: Sequence[Command]) -> list[Any]:
    """Send *commands*, all of one alias, in one trip (on a cluster: one per node). Errors stand in their places.

    What may be sent again is, within the alias' time budget.
    """
    talk = exchange(commands, patience(commands[0].alias))
    replies: Any = None
    try:
        while True:
            turn = talk.send(replies)
            if turn.pause:
                time.sleep(turn.pause)
            replies = _trip(turn)
    except StopIteration as end:
        return list(end.value)


async def asend(commands: Sequence[Command]) -> list[Any]:
    """The same on the running event loop."""
    talk = exchange(commands, patience(commands[0].alias))
    replies: Any = None
    try:
        while True:
            turn = talk.send(replies)
            if turn.pause:
                await asyncio.sleep(turn.pause)
            replies = await _atrip(turn)
    except StopIteration as end:
        return list(end.value)


def _trip(turn: Turn) -> list[Any]:
    started = time.perf_counter()
    commands = turn.commands
    first = commands[0]
    try:
        to: Any = client(first.alias, block=first.block)
        if turn.renew and not isinstance(to, RedisCluster):
            to.connection_pool.disconnect(inuse_connections=False)
        if len(commands) == 1:
            replies = [to.execute_command(*first.args, **cluster.addressed(to, first.options))]
        elif isinstance(to, RedisCluster):
            replies = cluster.round_trip(to, commands)
        else:
            pipeline = to.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command.args, **command.options)
            replies = pipeline.execute(raise_on_error=False)
    except DRIVER_ERRORS as error:
        replies = [error] * len(commands)
    return _told(commands, replies, started)


async def _atrip(turn: Turn) -> list[Any]:
    started = time.perf_counter()
    commands = turn.commands
    first = commands[0]
    try:
        to: Any = await aclient(first.alias, block=first.block)
        if turn.renew and not isinstance(to, AsyncRedisCluster):
            await to.connection_pool.disconnect(inuse_connections=False)
        if len(commands) == 1:
            replies = [await to.execute_command(*first.args, **cluster.addressed(to, first.options))]
        elif isinstance(to, AsyncRedisCluster):
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
