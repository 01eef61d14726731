"""Redis restarted under live sockets."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from django_redis_patterns.exceptions import RedisUnavailable
from django_redis_patterns.realtime import anotify, watch
from django_redis_patterns.testing.servers import RedisServer

from .sockets import Socket, opened, run, session_of, user

SOCKETS = 100
DURABLE = ["--appendonly", "yes", "--appendfsync", "always"]


@pytest.fixture
def mortal_redis() -> Iterator[RedisServer]:
    """A server that may be killed; what it was told, it still knows afterwards."""
    server = RedisServer(options=DURABLE)
    with server, override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": server.url}}):
        yield server


async def told(pk: int) -> None:
    """Notify as a caller does who tries again."""
    while True:
        try:
            return await anotify(user(pk), "back", {"to": pk})
        except RedisUnavailable:
            await asyncio.sleep(0.02)


async def hears(ann: Socket) -> list[dict[str, Any]]:
    frames = [await ann.next()]
    while frames[-1].get("kind") == "reset":
        frames.append(await ann.next())
    return frames


def test_none_closes_and_all_hear_the_next_message(mortal_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred sockets: each is told `reset`, then the next message; no session was taken for ended."""
    monkeypatch.setattr(watch, "SPREAD", 0.05)
    owners = [user(pk) for pk in range(1, SOCKETS + 1)]
    sessions = [session_of(owner) for owner in owners]

    async def main() -> None:
        sockets = [await opened(*pair) for pair in zip(owners, sessions, strict=True)]
        await asyncio.to_thread(mortal_redis.kill)
        await asyncio.sleep(0.2)
        await asyncio.to_thread(mortal_redis.restart)
        resets = await asyncio.gather(*(ann.next() for ann in sockets))
        assert resets == [{"kind": "reset", "topic": f"user.{owner.pk}"} for owner in owners]
        await asyncio.sleep(0.5)  # the round over all sessions
        await asyncio.gather(*(told(owner.pk) for owner in owners))
        heard = await asyncio.gather(*(hears(ann) for ann in sockets))
        assert [frames[-1]["data"]["to"] for frames in heard] == [owner.pk for owner in owners]
        for ann in sockets:
            await ann.hang_up()

    run(main())


def test_a_subscription_during_the_outage(mortal_redis: RedisServer) -> None:
    """A page that asks for a topic while Redis is away is sent away, to come again."""

    async def main() -> int:
        ann = await opened()
        await asyncio.to_thread(mortal_redis.kill)
        await ann.say("subscribe", "door.open.a")
        return await ann.closed()

    assert run(main()) == 1013
