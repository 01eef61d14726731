"""What nobody waits for: stale values that are made anew, leases that are given back."""

import asyncio
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

from django.db import connections

from django_redis_patterns.core import trace

#: Threads that work at once in a process, and jobs that wait for them, or tasks of loops. More are not begun: a value
#: stays stale a while longer, a lease ends by itself.
WORKERS, MOST = 2, 1000

logger = logging.getLogger("django_redis_patterns.caching")

_jobs: deque[Callable[[], Any]] = deque()
_guard = threading.Lock()
_working = 0
_tasks: set["asyncio.Task[Any]"] = set()


def later(job: Callable[[], Any]) -> None:
    """Run *job* in a thread; what it raises is logged and counted."""
    global _working
    with _guard:
        if len(_jobs) >= MOST:
            trace.count("caching.background_full")
            return
        _jobs.append(job)
        if _working >= WORKERS:
            return
        _working += 1
    threading.Thread(target=_work, name="redis-caching", daemon=True).start()


def later_on_loop(job: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Run *job* as a task of the running loop, in a context of its own."""
    if len(_tasks) >= MOST:
        trace.count("caching.background_full")
        return
    task = asyncio.get_running_loop().create_task(_quietly(job()), context=Context())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _quietly(work: Coroutine[Any, Any, Any]) -> None:
    try:
        await work
    except Exception as error:
        _failed(error)


def _work() -> None:
    while (job := _next()) is not None:
        try:
            job()
        except Exception as error:
            _failed(error)
        finally:
            connections.close_all()  # this thread's own


def _next() -> Callable[[], Any] | None:
    global _working
    with _guard:
        if _jobs:
            return _jobs.popleft()
        _working -= 1
        return None


def _failed(error: Exception) -> None:
    trace.count("caching.background_failed")
    logger.warning("What was begun behind a request failed: %r", error)


def _start_anew() -> None:
    global _guard, _working
    _guard, _working = threading.Lock(), 0
    _jobs.clear()
    _tasks.clear()


os.register_at_fork(after_in_child=_start_anew)
