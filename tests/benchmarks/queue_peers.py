"""Other libraries at the same work, each by its ordinary means: ``NAME fill N``, ``NAME late N`` or ``NAME work``.

Needs no Django, and nothing of this project. A worker is one process, which has eight threads or places where the
library has such a thing. RQ (without a fork for each), SAQ and streaq keep results; Huey and Dramatiq do not.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import redis

URL = os.environ.get("BENCHMARK_REDIS", "")
ARGS = ("paid", 7, "ann", "12.50")
JOBS, PLACES, PAUSE = 20_000, 8, 0.01
calls = count(1)
began = 0.0
client = redis.Redis.from_url(URL) if URL else None


def book(kind: str, order: int, customer: str, total: str) -> int:
    global began
    began = began or time.perf_counter()
    if next(calls) == JOBS:
        client.rpush("drained", time.perf_counter() - began)
    return order


def late(sent: float) -> None:
    client.rpush("late", time.monotonic() - sent)


async def saq_book(context: Any, **given: Any) -> int:
    return book(**given)


async def saq_late(context: Any, sent: float) -> None:
    late(sent)


def rq(word: str, times: int) -> None:
    from rq import Queue, SimpleWorker

    queue = Queue(connection=client)
    if word == "work":
        SimpleWorker([queue], connection=client).work(logging_level="ERROR")
    call(word, times, lambda *args: queue.enqueue("queue_peers.book", *args), lambda sent: queue.enqueue(late, sent))


def huey(word: str, times: int) -> None:
    from huey import RedisHuey
    from huey.consumer import Consumer

    app = RedisHuey(url=URL, results=False)
    book_, late_ = app.task()(book), app.task()(late)
    if word == "work":
        Consumer(app, workers=PLACES, periodic=False).run()
    call(word, times, book_, late_)


def dramatiq(word: str, times: int) -> None:
    import dramatiq as library
    from dramatiq.brokers.redis import RedisBroker

    logging.disable(logging.WARNING)  # of values that it throws away
    broker = RedisBroker(url=URL)
    library.set_broker(broker)
    book_, late_ = library.actor(book), library.actor(late)
    if word == "work":
        library.Worker(broker, worker_threads=PLACES).start()
        time.sleep(600)
    call(word, times, book_.send, late_.send)


def saq(word: str, times: int) -> None:
    from saq import Queue, Worker

    queue = Queue.from_url(URL)
    if word == "work":
        return asyncio.run(Worker(queue, functions=[saq_book, saq_late], concurrency=PLACES).start())

    async def book_(kind: str, order: int, customer: str, total: str) -> None:
        await queue.enqueue("saq_book", kind=kind, order=order, customer=customer, total=total)

    async def late_(sent: float) -> None:
        await queue.enqueue("saq_late", sent=sent)

    asyncio.run(acall(word, times, book_, late_))


def streaq(word: str, times: int) -> None:
    from streaq import Worker

    worker = Worker(redis_url=URL, concurrency=PLACES)

    @worker.task()
    async def streaq_book(kind: str, order: int, customer: str, total: str) -> int:
        return book(kind, order, customer, total)

    @worker.task()
    async def streaq_late(sent: float) -> None:
        late(sent)

    async def fill() -> None:
        async with worker:
            await acall(word, times, streaq_book.enqueue, streaq_late.enqueue)

    if word == "work":
        worker.run_sync()
    else:
        asyncio.run(fill())


def call(word: str, times: int, book: Callable[..., Any], late: Callable[[float], Any]) -> None:
    """Enqueue *times* jobs one by one, and tell the rate; or each when the one before has run."""
    start = time.perf_counter()
    for _ in range(times):
        if word == "fill":
            book(*ARGS)
        else:
            late(time.monotonic())
            client.blmove("late", "lateness", 60)
            time.sleep(PAUSE)
    print(times / (time.perf_counter() - start))


async def acall(word: str, times: int, book: Callable[..., Any], late: Callable[[float], Any]) -> None:
    """Do the same with those that are awaited."""
    start = time.perf_counter()
    for _ in range(times):
        if word == "fill":
            await book(*ARGS)
        else:
            await late(time.monotonic())
            await asyncio.to_thread(client.blmove, "late", "lateness", 60)
            await asyncio.sleep(PAUSE)
    print(times / (time.perf_counter() - start))


PEERS = {"rq": rq, "huey": huey, "dramatiq": dramatiq, "saq": saq, "streaq": streaq}

if __name__ == "__main__":
    import queue_peers  # under this name the libraries find its functions

    queue_peers.PEERS[sys.argv[1]](sys.argv[2], int(sys.argv[3]) if sys.argv[3:] else 0)
