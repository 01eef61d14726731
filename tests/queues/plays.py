"""Tasks that write down what they do, for programs that are struck."""

import asyncio
import ctypes
import os
import signal
import time
from pathlib import Path
from typing import Any

from django_redis_patterns.queues.tasks import exponential, task

#: Every so many fail at their first attempt.
OFTEN = 50
SOON = exponential(0.05, max=0.05)


def note(what: str, number: int) -> None:
    """Append a line in one write, which the system does not tear."""
    diary = os.open(os.environ["DIARY"], os.O_WRONLY | os.O_APPEND)
    os.write(diary, f"{what} {number}\n".encode())
    os.close(diary)


def begin(number: int, attempt: int) -> None:
    note("began", number)
    if number % OFTEN == 3 and attempt == 1:
        raise ValueError("as was asked for")


@task(max_attempts=3, backoff=SOON, takes_context=True)
def play(context: Any, number: int) -> int:
    begin(number, context.attempt)
    time.sleep(0.02)
    note("ended", number)
    return number


@task(max_attempts=3, backoff=SOON, takes_context=True, queue_name="mail")
async def aplay(context: Any, number: int) -> int:
    begin(number, context.attempt)
    await asyncio.sleep(0.02)
    note("ended", number)
    return number


@task(unique="{number}")
def once(number: int) -> int:
    note("began", number)
    note("ended", number)
    return number


@task
def hold(number: int) -> int:
    """Take as long as somebody likes: until there is a file ``go`` beside the diary."""
    note("began", number)
    while not Path(os.environ["DIARY"]).with_name("go").exists():
        time.sleep(0.02)
    note("ended", number)
    return number


@task
def hog(seconds: int) -> None:
    """Let nothing else of Python run: a call that keeps the interpreter's lock, as a long regular expression does."""
    note("began", seconds)
    ctypes.PyDLL(None).sleep(seconds)
    note("ended", seconds)


@task
def poison(number: int) -> None:
    note("began", number)
    os.kill(os.getpid(), signal.SIGKILL)
