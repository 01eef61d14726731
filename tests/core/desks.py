"""What the tests of the subscriber share: listeners, and one way to subscribe on a loop and in the thread."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import redis
from django.test import override_settings

from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.core.subscriber import Subscription, asubscriber, subscriber

T = TypeVar("T")


class Ear:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.gaps = 0

    def message(self, channel: str, payload: bytes) -> None:
        self.heard.append(payload)

    def gap(self, channel: str) -> None:
        self.gaps += 1


class Desk(Protocol):
    """One way to subscribe."""

    def subscribe(self, channel: str, listener: Any, **options: Any) -> Subscription: ...
    def close(self, subscription: Subscription) -> None: ...
    def is_working(self) -> bool: ...


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def end(self) -> None:
        self.run(adisconnect())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def subscribe(self, channel: str, listener: Any, **options: Any) -> Subscription:
        async def act() -> Subscription:
            return await (await asubscriber()).subscribe(channel, listener, **options)

        return self.run(act())

    def close(self, subscription: Subscription) -> None:
        async def act() -> None:
            subscription.close()

        self.run(act())

    def is_working(self) -> bool:
        async def act() -> bool:
            task = (await asubscriber())._task
            return task is not None and not task.done()

        return self.run(act())


class Thread:
    def subscribe(self, channel: str, listener: Any, **options: Any) -> Subscription:
        return subscriber().subscribe(channel, listener, **options)

    def close(self, subscription: Subscription) -> None:
        subscription.close()

    def is_working(self) -> bool:
        return subscriber()._thread is not None


@contextmanager
def connected(**connection: Any) -> Iterator[None]:
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": connection}}):
        yield


def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "It did not come about."
        time.sleep(0.005)


def listening(admin: redis.Redis, channel: str) -> int:
    return dict(admin.pubsub_numsub(channel))[channel.encode()]


def calls(admin: redis.Redis) -> dict[str, int]:
    return {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in admin.info("commandstats").items()}


def cut(admin: redis.Redis) -> None:
    assert admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
