"""Who is cancelled or interrupted at any moment of getting in or leaving leaves nothing behind."""

import asyncio
import gc
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import transaction
from django.test import override_settings

from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.locks import ReleasedBeforeCommit, entered, lock
from django_redis_patterns.locks.keeper import GIVE_BACK_AT, keeper
from django_redis_patterns.locks.place import Card
from django_redis_patterns.locks.turnstile import In, come
from tests.locks import holders
from tests.locks.torture import Field, keys_left, until

RUNS = 1000


@pytest.fixture(autouse=True)
def nothing_is_left(bare_redis: redis.Redis) -> Iterator[None]:
    """Within a second and a bit, in which what was still on its way has been given back."""
    yield
    until(lambda: keys_left(bare_redis) == [], 4)


async def cancelled_after(steps: int, awaitable: Awaitable[Any]) -> Any:
    """Return what it came to if that took less than *steps* turns of the loop; else cancel it."""
    task = asyncio.ensure_future(awaitable)
    for _ in range(steps):
        await asyncio.sleep(0)
        if task.done():
            break
    task.cancel()
    with suppress(asyncio.CancelledError):
        return await task


async def turns(awaitable: Awaitable[Any]) -> int:
    """Return how many turns of the loop it takes."""
    task, count = asyncio.ensure_future(awaitable), 0
    while not task.done():
        await asyncio.sleep(0)
        count += 1
    return count


def spread(runs: int, most: int) -> Iterator[tuple[int, str]]:
    """Yield numbers of turns from none to *most*, each with a name for the lock."""
    for run in range(runs):
        yield run * (most + 1) // runs, f"lock{run}"


async def measured(times: int, act: Callable[[], Awaitable[Any]]) -> int:
    """Return the most turns it took."""
    return max([await turns(act()) for _ in range(times)])


def test_acquire_is_cancelled() -> None:
    """After any number of turns: either it holds, or nothing is held."""

    async def act() -> None:
        async with lock("warm"):
            pass
        most = await measured(5, lambda: _in_and_out("warm"))
        for steps, name in spread(RUNS, most):
            held = await cancelled_after(steps, lock(name, ttl=60).aacquire())
            if held:
                held.check()
                await held.arelease()
        await adisconnect()

    asyncio.run(act())


def test_release_is_cancelled() -> None:
    """After any number of turns: it is released, by itself or by the keeper, and is not called lost."""

    async def act() -> None:
        most = await measured(5, lambda: _in_and_out("warm"))
        for steps, name in spread(RUNS, most):
            held = await lock(name, ttl=60).aacquire()
            await cancelled_after(steps + 1, held.arelease())
        await adisconnect()

    asyncio.run(act())


def test_a_block_is_cancelled() -> None:
    """At any turn between before and after: the task ends cancelled, the block is left."""

    async def act() -> None:
        most = await measured(5, lambda: _in_and_out("warm"))
        for steps, name in spread(RUNS // 2, 2 * most):
            await cancelled_after(steps, _in_and_out(name))
        await adisconnect()

    asyncio.run(act())


@pytest.fixture
def patient() -> Iterator[None]:
    """Hundreds of handshakes at once take their time: over TLS, more than half a second."""
    ours = settings.REDIS_PATTERNS
    default = ours["CONNECTIONS"]["default"] | {"CONNECT_TIMEOUT": 10.0}
    with override_settings(REDIS_PATTERNS={**ours, "CONNECTIONS": {**ours["CONNECTIONS"], "default": default}}):
        yield


def test_waiting_is_cancelled(bare_redis: redis.Redis, patient: None) -> None:
    """While others hold, release and wait: whoever is cancelled leaves the queue, or hands on what it was granted."""
    draw = random.Random(1)

    async def waits(name: str, most: int) -> bool:
        held = await cancelled_after(draw.randrange(most), lock(name, ttl=60).aacquire())
        if held:
            await asyncio.sleep(0)
            await held.arelease()
        return held is not None

    async def act() -> None:
        most, got_in = 2 * await measured(5, lambda: _in_and_out("warm")), list[bool]()
        for _ in range(10):
            got_in += await asyncio.gather(*(waits(f"lock{run % 8}", most) for run in range(40)))
        assert 0 < sum(got_in) < len(got_in)
        for number in range(8):  # nobody is in the way of the next one
            await (await lock(f"lock{number}", wait=3).aacquire()).arelease()
        await adisconnect()

    asyncio.run(act())


def test_a_waiter_is_cancelled_while_its_grant_is_on_its_way() -> None:
    """The next in the queue has the lock, long before the time of the grant is over."""

    async def in_and_out() -> float:
        async with lock("x", ttl=60, wait=2):
            return time.monotonic()

    async def act() -> None:
        for run in range(200):
            holder = await lock("x", ttl=60).aacquire()
            first, second = (asyncio.create_task(in_and_out()) for _ in range(2))
            await asyncio.sleep(0.003)
            release = asyncio.create_task(holder.arelease())
            for _ in range(run):
                await asyncio.sleep(0)
            first.cancel()
            _, moment, _ = await asyncio.gather(first, second, release, return_exceptions=True)
            assert isinstance(moment, float)
        await adisconnect()

    asyncio.run(act())


def test_who_was_granted_and_then_cancelled_gives_it_back_at_once() -> None:
    """Before it could know of the grant: the next one does not wait for a later look."""

    async def act() -> list[float]:
        waited = []
        for _ in range(15):
            holder = await lock("x", ttl=60).aacquire()
            first, second = (asyncio.create_task(lock("x", ttl=60).aacquire()) for _ in range(2))
            await asyncio.sleep(0.05)
            with ThreadPoolExecutor() as pool:
                pool.submit(holder.release).result()
            first.cancel()
            cancelled = time.monotonic()
            held = await second
            waited.append(time.monotonic() - cancelled)
            await held.arelease()
        await adisconnect()
        return waited

    assert statistics.median(asyncio.run(act())) < min(later for later in GIVE_BACK_AT if later)


@pytest.mark.parametrize("late", [0.04, 0.5])
def test_a_question_that_arrives_late(late: float) -> None:
    """After it was taken back, since it was held up on its way: it is taken back again."""
    place, card = lock("x").places()[0], Card.new(60)
    keeper("default").give_back(place, card)
    time.sleep(late)
    assert isinstance(come(place, card), In)


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_signal_raises(is_busy: bool, tmp_path: Path) -> None:
    """In the middle of it, anywhere: what it had or waited for is free for the next one.

    At the latest when its time is up: Python may raise between any two steps, also where nobody can catch it.
    """
    names = [f"lock{run}" for run in range(300)]
    held = [lock(name, ttl=60).acquire() for name in names] if is_busy else []
    with Field(tmp_path) as field:
        ended = field.process().do(holders.be_interrupted, names, ttl=1, wait=0.001 if is_busy else 5)
        assert 0 < ended < len(names)
        for one in held:
            one.release()
        for name in names:
            lock(name, wait=3).acquire().release()


def test_a_block_that_a_signal_kept_from_being_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock is not renewed for ever: it is free in time, also for the same thread."""
    with monkeypatch.context() as patch, suppress(holders.Interrupt):
        patch.setattr(entered, "pop", _interrupt)
        with lock("x", ttl=0.5):
            pass
    gc.collect()  # where a call had to be made twice, its error may hold what it saw until the collector comes
    with lock("x", wait=3):
        pass


@pytest.mark.filterwarnings("error")
def test_a_warning_that_is_an_error(transactional_db: None) -> None:
    """Does not keep the lock: it is released, and then the error goes on."""
    with pytest.raises(ReleasedBeforeCommit), transaction.atomic(), lock("x", ttl=60):
        pass
    lock("x", wait=0).acquire().release()


def _interrupt(*_: object) -> None:
    raise holders.Interrupt


async def _in_and_out(name: str) -> None:
    async with lock(name, ttl=60):
        await asyncio.sleep(0)
