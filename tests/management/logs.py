"""All that streams do."""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

import redis

from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.exceptions import EventLost
from django_redis_patterns.streams import Event, Stream, registry
from django_redis_patterns.streams.job import Job
from django_redis_patterns.streams.workload import workload


def of_streams(admin: redis.Redis) -> None:
    """Append, read, consume in order and out of it, fail, crash, lose; replay, redrive, trim."""
    orders = Stream("orders", retention=60)
    first = orders.append({"key": 1})
    assert orders.append(1, idempotency_key="once") == orders.append(1, idempotency_key="once")
    orders.append_many([{"key": number % 3} for number in range(30)])
    assert len(list(orders.read(since=timedelta(hours=1))[:2])) == len(list(orders.read(reverse=True)[:2])) == 2
    assert next(iter(orders.tail(after=first)))
    assert orders.count() == 32
    try:
        for number, options in enumerate(({}, {"ordered_by": "key"}, {"batch": 5})):
            _consume(orders, admin, f"group{number}", options)
    finally:
        registry._consumers.clear()
    orders.trim(0)
    Stream("orders", maxlen=5).append_many(range(10))
    asyncio.run(_of_streams(orders))


def _consume(orders: Stream, admin: redis.Redis, group: str, options: dict[str, Any]) -> None:
    orders.consumer(group=group, start="beginning", max_attempts=2, backoff=lambda *_: 0.0, **options)(_fail)
    work = workload(["orders"], group)
    work.hold(["dead", "alive"], 60)
    assert set(work.known()) == {"dead", "alive"}
    (dead,), (alive,) = work.feeds("dead"), work.feeds("alive")
    dead.step([], 4, 0, True)
    work.release(["dead"])
    jobs = alive.step([], 6, 0, True)
    admin.xdel(orders.keys.log, jobs[0].events[0].id)
    alive.step([Done(jobs[0], ran=False)], 0, 0, True)
    alive.recover([])
    with suppress(EventLost):
        Event("1-0", 1, seat=alive._seat).heartbeat()
    jobs = alive.step([], 4, 0, True)
    assert orders.pending(group)
    for _ in range(40):
        jobs = alive.step([_ended(job) for job in jobs], 4, 0, True)
    alive.step([Done(job, ran=False) for job in jobs], 0, 0, True)
    assert orders.lag(group).dead
    orders.replay(group, "1-0")
    orders.dead(group).redrive(*(letter.id for letter in orders.dead(group)[:1]))
    assert orders.dead(group).discard()
    end = time.monotonic() + 20
    while jobs := alive.step([], 50, 0, True):
        alive.step([_succeeded(job) for job in jobs], 0, 0, True)
        assert time.monotonic() < end
    alive.step([], 1, 0.01, True)
    alive.tend()
    admin.xgroup_destroy(orders.keys.log, group)
    alive.step([], 1, 0, True)
    work.release(["alive"])
    assert group in orders.groups()


def _fail(event: Any) -> None:
    raise ValueError("no stamp")


def _ended(job: Job) -> Done:
    try:
        return Done(job, job.run())
    except ValueError as error:
        return Done(job, error=error)


def _succeeded(job: Job) -> Done:
    job._ended[:] = [(event, None) for event in job.events]
    return Done(job)


async def _of_streams(orders: Stream) -> None:
    await orders.aappend(1)
    assert [entry async for entry in orders.read(reverse=True)[:1]]
    await adisconnect()
