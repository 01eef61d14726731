"""What words do. Each writes into a diary, which is no part of Redis, when it begins and when it ends."""

import asyncio
import ctypes
import os
import signal
import threading
import time
import warnings
from pathlib import Path

from asgiref.sync import sync_to_async
from django.db import connection


def note(event: str, word: str, *more: object) -> None:
    line = " ".join(map(str, (event, word, os.getpid(), *more))) + "\n"
    file = os.open(Path(os.environ["DIARY"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)


def sleep(word: str, seconds: str) -> None:
    note("began", word)
    time.sleep(float(seconds))
    note("ended", word)


def wait(word: str, name: str) -> None:
    """Run until somebody makes the file *name* beside the diary."""
    note("began", word)
    while not Path(os.environ["DIARY"]).with_name(name).exists():
        time.sleep(0.01)
    note("ended", word)


def hog(word: str, seconds: str) -> None:
    """Let no thread of this process run."""
    note("began", word)
    ctypes.PyDLL(None).usleep(int(float(seconds) * 1e6))
    note("ended", word)


def fail(word: str, _: str) -> None:
    note("began", word)
    raise ValueError(word)


def exit(word: str, _: str) -> None:
    raise SystemExit(word)


def query(word: str, _: str) -> None:
    """Tell whether the connection is open at the beginning, and open it."""
    note("began", word, connection.connection is not None, threading.current_thread().name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    note("ended", word)


async def asleep(word: str, seconds: str) -> None:
    note("began", word)
    await asyncio.sleep(float(seconds))
    note("ended", word)


async def aquery(word: str, seconds: str) -> None:
    """Ask the ORM's way, and tell on which thread that was."""
    note("began", word)
    thread = await sync_to_async(threading.get_ident)()
    await sync_to_async(query)(word, "")
    await asyncio.sleep(float(seconds))
    note("thread", word, thread)


async def afail(word: str, _: str) -> None:
    raise ValueError(word)


async def acancel(word: str, _: str) -> None:
    raise asyncio.CancelledError


async def ablock(word: str, seconds: str) -> None:
    """Let nothing else run on the loop."""
    note("began", word)
    time.sleep(float(seconds))  # noqa: ASYNC251  that is what it does


def fork(word: str, _: str) -> None:
    """Fork a process that can be ended, and end it."""
    note("began", word)
    with warnings.catch_warnings(action="ignore"):  # this process has threads
        child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    os.kill(child, signal.SIGTERM)
    note("ended", word, os.WTERMSIG(os.waitpid(child, 0)[1]))
