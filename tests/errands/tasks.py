"""Tasks to test with."""

import asyncio
import os
import signal
import time
from typing import Any

from django_redis_patterns.core.connections import client
from django_redis_patterns.queues.tasks import exponential, framework, task

NOW = exponential(0.001, max=0.001)


@task
def add(a: int, b: int = 0) -> int:
    return a + b


@task(queue_name="mail", priority=10, takes_context=True)
def whose(context: Any, name: str) -> list[Any]:
    return [name, context.attempt, context.task_result.id]


@task
async def aadd(a: int, b: int = 0) -> int:
    await asyncio.sleep(0)
    return a + b


@task(max_attempts=3, backoff=NOW)
def fail(text: str) -> None:
    raise ValueError(text)


@task(max_attempts=3, backoff=lambda error, result: None if "for good" in str(error) else 0)
def fail_until(attempt: int, text: str = "") -> int:
    count = client().incr("errands:attempts")
    client().expire("errands:attempts", 100)
    if count < attempt:
        raise ValueError(text)
    return int(count)


@task(unique="{who}")
def greet(who: str, how: str = "hello") -> str:
    return f"{how} {who}"


@task(unique="{who}", unique_until="started")
def greet_once_more(who: str, times: int = 1) -> str:
    return greet_once_more.enqueue(who, times - 1).id if times else ""


@task(timeout=0.05)
def linger(seconds: float) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    return "done"


@task(timeout=0.05)
async def alinger(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


@task
def unsayable() -> Any:
    return object()


@task
def note(key: str, text: str, seconds: float = 0) -> None:
    """Write a line, for those who count how often this ran."""
    client().rpush(key, text)
    client().expire(key, 600)
    time.sleep(seconds)


@task
def die(key: str) -> None:
    client().rpush(key, str(os.getpid()))
    client().expire(key, 600)
    os.kill(os.getpid(), signal.SIGKILL)


@task
def unstorable() -> int:
    return 10**5000  # more digits than Python writes


@task
def leave(error: str) -> None:
    raise SystemExit(error) if error == "SystemExit" else KeyboardInterrupt(error)


@task(max_attempts=3, backoff=NOW)
async def afail(text: str) -> None:
    raise ValueError(text)


@task(max_attempts=3)
def lingering(text: str) -> None:
    """Its backoff is the tests'."""
    raise ValueError(text)


def undeclared() -> None:
    raise AssertionError("Nobody may call it.")


def _foreign(a: int, b: int = 0) -> int:
    return a + b


_foreign.__qualname__ = "foreign"
foreign = framework.Task(func=_foreign, backend="stock", priority=0, queue_name="default", run_after=None)


@task(timeout=3600)
def give_up() -> None:
    raise TimeoutError("a socket's, say")


@task(timeout=3600)
async def agive_up() -> None:
    raise TimeoutError("a socket's, say")
