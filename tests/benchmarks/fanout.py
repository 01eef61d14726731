"""One message to N receivers of one process: our hub beside a bare redis-py subscriber, in the same interleaved run.

    python -m tests.benchmarks.fanout [receivers] [messages]

Each receiver is an asyncio.Queue and a task that reads it. Figures are milliseconds from before the PUBLISH to each
receiver's task, so a lane's fan-out is in them. What counts is the ratio.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import django
import redis
from django.conf import settings
from redis import asyncio as aredis

from django_redis_patterns.testing.servers import RedisServer

PAYLOAD = "x" * 256
GAP = 0.03  # seconds between messages, so that each is alone
BURST = 100_000  # deliveries


class Lane:
    """N queues and their readers; `deliver` is what a subscriber feeds."""

    def __init__(self, receivers: int) -> None:
        self.queues: list[asyncio.Queue[Any]] = [asyncio.Queue() for _ in range(receivers)]
        self.delays: list[float] = []
        self.seen = 0
        self.sent_at = 0.0
        self.readers = [asyncio.create_task(self.read(queue)) for queue in self.queues]

    async def read(self, queue: asyncio.Queue[Any]) -> None:
        while True:
            await queue.get()
            self.delays.append(time.perf_counter() - self.sent_at)
            self.seen += 1

    async def until(self, seen: int) -> None:
        while self.seen < seen:  # noqa: ASYNC110  an event would be one more thing to pay for
            await asyncio.sleep(0.001)


class Queued:
    """A receiver of the hub."""

    def __init__(self, queue: asyncio.Queue[Any]) -> None:
        self.deliver = queue.put_nowait

    def reset(self, topic: str) -> None:
        pass


async def raw(client: aredis.Redis, lane: Lane) -> None:
    async with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe("raw")
        async for message in pubsub.listen():
            for queue in lane.queues:
                queue.put_nowait(message["data"])


async def one(lane: Lane, publish: Callable[[], Awaitable[Any]]) -> None:
    wanted = lane.seen + len(lane.queues)
    lane.sent_at = time.perf_counter()
    await publish()
    await lane.until(wanted)
    await asyncio.sleep(GAP)


async def burst(lane: Lane, publish: Callable[[], Awaitable[Any]], count: int) -> float:
    wanted = lane.seen + count * len(lane.queues)
    started = time.perf_counter()
    await publish()
    await lane.until(wanted)
    return count * len(lane.queues) / (time.perf_counter() - started)


async def run(server: RedisServer, receivers: int, messages: int) -> None:
    from django_redis_patterns.core.connections import adisconnect
    from django_redis_patterns.realtime.hub import get_hub
    from django_redis_patterns.realtime.transmit import channel_of

    client = aredis.Redis.from_url(server.url, protocol=2, socket_timeout=None)
    lanes = {"raw": Lane(receivers), "hub": Lane(receivers)}
    reader = asyncio.create_task(raw(client, lanes["raw"]))
    hub = await get_hub()
    for queue in lanes["hub"].queues:
        await hub.join("bench", Queued(queue))
    channels = {"raw": "raw", "hub": channel_of("bench")}
    for i in range(messages + 20):
        for name in ("raw", "hub") if i % 2 else ("hub", "raw"):
            await one(lanes[name], lambda name=name: client.publish(channels[name], PAYLOAD))  # type: ignore[misc]
            if i < 20:
                lanes[name].delays.clear()
    report({name: lane.delays[:] for name, lane in lanes.items()}, receivers, messages)
    count = max(1, BURST // receivers)
    rates: dict[str, list[float]] = {"raw": [], "hub": []}
    for i in range(6):
        for name in ("raw", "hub") if i % 2 else ("hub", "raw"):
            pipeline = client.pipeline(transaction=False)
            for _ in range(count):
                pipeline.publish(channels[name], PAYLOAD)
            rates[name].append(await burst(lanes[name], pipeline.execute, count))
    for name in rates:
        median = statistics.median(rates[name])
        print(f"{name:4} {median:10,.0f} delivered/s   x raw {median / statistics.median(rates['raw']):.2f}")
    for task in (reader, *lanes["raw"].readers, *lanes["hub"].readers):
        task.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    await client.aclose()
    await adisconnect()


def report(delays: dict[str, list[float]], receivers: int, messages: int) -> None:
    print(f"{messages} messages of {len(PAYLOAD)} B, one at a time, to {receivers} receivers; ms until delivered")
    base = percentiles(delays["raw"])
    for name, mine in delays.items():
        p50, p99 = percentiles(mine)
        print(f"{name:4} p50 {p50:7.2f}  p99 {p99:7.2f}   x raw p50 {p50 / base[0]:.2f}  p99 {p99 / base[1]:.2f}")


def percentiles(delays: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(delays, n=100)
    return cuts[49] * 1000, cuts[98] * 1000


def main() -> None:
    receivers, messages = (int(word) for word in (*sys.argv[1:], "500", "200")[:2])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    with RedisServer() as server:
        settings.REDIS_PATTERNS["CONNECTIONS"]["default"]["URL"] = server.url
        django.setup()
        with redis.Redis.from_url(server.url, protocol=2) as client:
            print(f"redis {client.info('server')['redis_version']}, python {sys.version.split()[0]}")
        asyncio.run(run(server, receivers, messages))


if __name__ == "__main__":
    main()
