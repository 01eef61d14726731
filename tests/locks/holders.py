"""What the processes of the torture do, each when it is told: wait, hold, write under a fence, and keep a diary."""

import asyncio
import ctypes
import os
import random
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.db import connections
from django.test.signals import setting_changed

if not apps.ready:
    django.setup()

from django_redis_patterns.core.connections import adisconnect, client
from django_redis_patterns.exceptions import RedisUnavailable
from django_redis_patterns.locks import Held, LockError, claim, fencing, lock
from django_redis_patterns.locks.turnstile import Out
from tests.vault.models import Account

#: What is held here, by name.
held: dict[str, Held] = {}
#: When a token came into a queue, by the clock of Redis.
arrivals: dict[str, str] = {}
diary = -1


def live(pipe: Connection, connection: dict[str, Any], folder: Path) -> None:
    """Answer each call of (function, arguments, options) until the other end is gone."""
    global diary
    settings.REDIS_PATTERNS["CONNECTIONS"]["default"] = connection
    setting_changed.send(object, setting="REDIS_PATTERNS", value=settings.REDIS_PATTERNS, enter=True)
    connections.databases["default"] |= {"NAME": folder / "vault", "OPTIONS": {"timeout": 60}}
    diary = os.open(folder / "diary", os.O_WRONLY | os.O_APPEND)
    _remember_arrivals()
    while True:
        try:
            function, args, options = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((function(*args, **options), None))
        except Exception as error:
            pipe.send((None, f"{type(error).__name__}: {error}"))


def _remember_arrivals() -> None:
    enter = claim.enter

    async def noted(io: Any, place: Any, card: Any, **options: Any) -> Any:
        answer = await enter(io, place, card, **options)
        if isinstance(answer, Out) and answer.arrival:
            arrivals[card.token] = answer.arrival
        return answer

    claim.enter = noted  # type: ignore[assignment]


def note(mine: Held) -> None:
    """Write down that the lock is ours at this moment; nothing, and `LockLost`, if it is not."""
    moment = time.monotonic()  # before the check, which so speaks for it
    mine.check()
    fence = mine.fence
    arrival = arrivals.get(mine.quorum.leases[0].card.token) or fence  # in at once: fences begin as microseconds
    os.write(diary, f"{mine.name} {fence} {arrival} {moment}\n".encode())


def take(name: str = "x", **options: Any) -> int:
    """Get the lock and return its fence."""
    mine = lock(name, **options).acquire()
    held[name] = mine
    note(mine)
    return mine.fence


def give(name: str = "x") -> None:
    held.pop(name).release()


def check(name: str = "x") -> None:
    note(held[name])


def write(name: str = "x", *, unchecked: bool = False) -> None:
    """Add one to the account, by our fence; *unchecked*: without asking whether the lock is ours."""
    account = _account(held[name].fence)
    account.balance += 1
    fencing.save(account, held[name].fence) if unchecked else held[name].save(account)


def _account(fence: int) -> Account:
    """Read the account, which from now on takes no older fence's write: else it could come after this read."""
    Account.objects.filter(pk=1, fence__lt=fence).update(fence=fence)
    return Account.objects.get(pk=1)


def work(name: str, times: int, *, hold: float = 0.001, **options: Any) -> dict[str, int]:
    """Hold *times* times, and return how that went."""
    ends: Counter[str] = Counter()
    for _ in range(times):
        try:
            with lock(name, **options) as mine:
                _stay(mine, hold)
        except (LockError, RedisUnavailable) as error:
            ends[type(error).__name__] += 1
        else:
            ends["done"] += 1
    return dict(ends)


def _stay(mine: Held, hold: float) -> None:
    note(mine)
    account = _account(mine.fence)
    account.balance += 1
    time.sleep(hold)
    note(mine)
    mine.save(account)
    note(mine)


async def awork(name: str, times: int, *, hold: float = 0.001, **options: Any) -> dict[str, int]:
    """The same from a task."""
    ends: Counter[str] = Counter()
    for _ in range(times):
        try:
            async with lock(name, **options) as mine:
                await sync_to_async(_stay, thread_sensitive=False)(mine, hold)
        except (LockError, RedisUnavailable) as error:
            ends[type(error).__name__] += 1
        else:
            ends["done"] += 1
    return dict(ends)


def crowd(name: str, times: int, *, threads: int = 2, tasks: int = 2, **options: Any) -> dict[str, int]:
    """Have *threads* threads, and two loops with *tasks* tasks each, work side by side."""
    ends: Counter[str] = Counter()
    acts = [lambda: ends.update(work(name, times, **options))] * threads

    async def main() -> None:
        for told in await asyncio.gather(*(awork(name, times, **options) for _ in range(tasks))):
            ends.update(told)
        await adisconnect()

    acts += [lambda: asyncio.run(main())] * 2
    running = [threading.Thread(target=act) for act in acts]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return dict(ends)


def do_without_heartbeats() -> None:
    """Let who waits in this process rely on what it is told."""
    claim.HEARTBEAT = 1000.0


def shift_clock(seconds: float) -> None:
    """Let the wall clock of this process be wrong."""
    true, true_ns = time.time, time.time_ns
    time.time = lambda: true() + seconds
    time.time_ns = lambda: true_ns() + int(seconds * 1e9)


def hold_the_gil(seconds: float) -> None:
    """Let no thread of this process run."""
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))


def block_a_loop(*, ttl: float, seconds: float) -> str:
    """Hold a lock in a task that does not let its loop run."""

    async def main() -> str:
        async with lock("x", ttl=ttl) as mine:
            note(mine)
            time.sleep(seconds)  # noqa: ASYNC251  that is what it does
            note(mine)
        await adisconnect()
        return "held"

    return asyncio.run(main())


def fork() -> list[str]:
    """Return what a forked child was told when it used, gave back and wanted what its parent holds."""
    return _in_child(
        [lambda: held["x"].check(), lambda: held["x"].release(), lambda: lock("x", wait=0).acquire() and None]
    )


def fork_and_take(name: str) -> list[str]:
    """Return what became of a forked child that waits for a lock, and holds it for longer than it lasts."""

    def act() -> None:
        with lock(name, ttl=0.5) as mine:
            time.sleep(0.8)
            note(mine)

    return _in_child([act])


def _in_child(acts: list[Callable[[], None]]) -> list[str]:
    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.write(writer, "\n".join(map(_outcome, acts)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        outcomes = told.read().split("\n")
    return [*outcomes, "gone" if os.waitpid(child, 0)[1] == 0 else "failed"]


def _outcome(act: Callable[[], None]) -> str:
    try:
        act()
    except Exception as error:
        return type(error).__name__
    return "got in"


def give_when_queued(name: str = "x") -> None:
    """Give the lock back as soon as somebody waits for it."""
    queue = lock(name).places()[0].keys[1]
    while not client().exists(queue):
        time.sleep(0.005)
    give(name)


class Interrupt(BaseException):
    """As Ctrl-C, and as a time limit of a task queue."""


def be_interrupted(names: list[str], **options: Any) -> int:
    """Hold one after the other, while a signal's handler raises soon, anywhere; return how often it came too late."""
    draw, ended = random.Random(2), 0

    def interrupt(*_: object) -> None:
        raise Interrupt

    def hold(name: str) -> None:
        with suppress(LockError), lock(name, **options):
            pass

    usual = statistics.median(timed(hold, names[0]) for _ in range(9))
    signal.signal(signal.SIGALRM, interrupt)
    for name in names:
        with suppress(Interrupt):
            signal.setitimer(signal.ITIMER_REAL, draw.uniform(1e-5, 2 * usual))
            hold(name)
            signal.setitimer(signal.ITIMER_REAL, 0)
            ended += 1
    return ended


def timed(act: Callable[[str], None], name: str) -> float:
    """Return how many seconds it takes."""
    began = time.monotonic()
    act(name)
    return time.monotonic() - began


def convoy(times: int, name: str = "x", hold: float = 0.001, **options: Any) -> dict[str, int]:
    """Hold *times* times, and do nothing but keep the diary."""
    for _ in range(times):
        with lock(name, **options) as mine:
            note(mine)
            time.sleep(hold)
            note(mine)
    return {"done": times}
