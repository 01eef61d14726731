"""The same lock on event loops: beside threads, and under cancellation."""

import asyncio
import time
from contextlib import suppress

import pytest

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.locks import LockLost, LockReentry, LockTimeout, lock, semaphore
from django_redis_patterns.locks.turnstile import evict


def run(main):
    async def and_close():
        try:
            return await main
        finally:
            await adisconnect()

    return asyncio.run(and_close())


def test_tasks_take_turns(left_over, one_node):
    """In the order in which they came, two commands each."""
    went = []

    async def visit(number):
        async with lock("orders"):
            went.append(number)
            await asyncio.sleep(0.001)

    async def main():
        async with lock("orders"):
            visits = []
            for number in range(8):
                visits.append(asyncio.create_task(visit(number)))
                await asyncio.sleep(0.05)
        await asyncio.gather(*visits)
        with trace.record() as log:
            await asyncio.create_task(visit(8))
        return log.commands

    assert len(run(main())) == 2
    assert went == list(range(9))
    assert left_over() == []


def test_tasks_and_threads_mix(away):
    """One lock, several loops and threads: one at a time."""
    inside, most = [], []

    def look():
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.001)
        inside.pop()

    def thread():
        for _ in range(10):
            with lock("orders"):
                look()

    async def task():
        for _ in range(10):
            async with lock("orders"):
                look()

    async def loop():
        await asyncio.gather(task(), task())

    for one in [away(thread), away(thread), away(lambda: run(loop())), away(lambda: run(loop()))]:
        one.result(30)
    assert (len(most), max(most)) == (60, 1)


def test_a_task_that_would_wait_for_itself():
    async def main():
        async with lock("orders"):
            with pytest.raises(LockReentry):
                async with lock("orders"):
                    pass

            async def other():
                async with lock("orders", wait=0):
                    pass

            with pytest.raises(LockTimeout):
                await asyncio.create_task(other())

    run(main())


def test_a_lost_lock_cancels_the_body(bare_redis):
    """At its next await; the block raises `LockLost`, and the task goes on."""

    async def main():
        begun = time.monotonic()
        with pytest.raises(LockLost):
            async with lock("orders", ttl=0.6):
                bare_redis.flushall()
                await asyncio.sleep(30)
        assert time.monotonic() - begun < 10
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(0)
        return True

    assert run(main())


def test_a_forced_release_cancels_the_body_at_once(away):
    """Long before the next renewal: a process that holds a lock listens."""

    async def main():
        with pytest.raises(LockLost, match="by force"):
            async with lock("orders", ttl=60):
                await asyncio.sleep(1.5)
                assert await asyncio.to_thread(evict, lock("orders").places()[0]) == 1
                await asyncio.sleep(15)

    run(main())


def test_the_body_is_cancelled_when_the_time_is_up():
    """Though nothing is heard of Redis: a local clock is enough."""

    async def main():
        with pytest.raises(LockLost, match="time was up"):
            async with lock("orders", ttl=0.3) as held:
                held.quorum.drop()
                await asyncio.sleep(30)

    run(main())


def test_a_cancelled_body_stays_cancelled(left_over, bare_redis):
    """By whoever cancelled it, also when the lock is lost in the same moment; an error of the body stays, too."""

    holders = []

    async def hold():
        async with lock("orders") as held:
            holders.append(held)
            await asyncio.sleep(30)

    async def main():
        for lose in (False, True):
            task = asyncio.create_task(hold())
            await asyncio.sleep(0.2)
            if lose:
                holders[-1].quorum.leases[0].lose("it was lost in this very moment")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), lock("orders"):
                await asyncio.sleep(30)
        with pytest.raises(ZeroDivisionError):
            async with lock("orders"):
                bare_redis.flushall()
                raise ZeroDivisionError

    run(main())
    assert left_over() == []


def test_cancelled_while_it_waits(is_clean, queue):
    """The queue forgets who was cancelled, and nobody else is held up."""

    async def main():
        async with lock("orders"):
            tasks = [asyncio.create_task(lock("orders").aacquire()) for _ in range(20)]
            await asyncio.sleep(0.2)
            for task in tasks[:19]:
                task.cancel()
            await asyncio.gather(*tasks[:19], return_exceptions=True)
        held = await tasks[19]
        await held.arelease()

    run(main())
    is_clean()


def test_cancelled_at_any_await(is_clean):
    """However far it got: nothing is left, and the lock is soon free."""

    async def visit():
        async with lock(["a", "b"]):
            await asyncio.sleep(0)

    async def main():
        for steps in range(60):
            task = asyncio.create_task(visit())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        async with lock(["a", "b"]):
            pass

    run(main())
    is_clean()


def test_the_event_loop_goes_on_while_it_waits(away):
    """Nothing blocks it, not even the first waiting of a process."""

    async def main():
        with lock("orders", wait=0):
            waiting = asyncio.create_task(semaphore("orders", limit=1).aacquire())
            await waiting
            task = asyncio.create_task(lock("orders").aacquire())
            gaps, before = [], time.monotonic()
            for _ in range(20):
                await asyncio.sleep(0.01)
                gaps.append(time.monotonic() - before)
                before = time.monotonic()
        held = await task
        await held.arelease()
        await waiting.result().arelease()
        return sorted(gaps)[len(gaps) // 2]

    assert run(main()) < 0.1
