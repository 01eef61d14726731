"""Which queues there are: those that TASKS name, and those that have jobs. For people who look after them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from redis import RedisError

from django_redis_patterns.conf import settings
from django_redis_patterns.core.connections import client
from django_redis_patterns.core.connections.errors import named

from .keys import ROOM
from .moves import minute
from .queue import Queue

#: Hours for which a queue without a job is known by what happened in it.
KNOWN = 25


def all_queues(alias: str | None = None) -> list[Queue]:
    """Return the queues of TASKS, and all that have jobs where queues are kept; or those on *alias*.

    Looks through all keys, slowly. Raises `RedisUnavailable`.
    """
    chosen = alias or settings().queues.connection
    known = {(name, place) for name, place in _of_tasks().items() if alias in (None, place)}
    known |= {(name, chosen) for name in _names(chosen)}
    return [Queue(name, connection=place) for name, place in sorted(known)]


def find(name: str, alias: str | None = None) -> Queue:
    """Return a queue of TASKS, or one that was used within a day. Raises ValueError, which names those there are."""
    of_tasks = _of_tasks()
    queue = Queue(name, connection=alias or of_tasks.get(name))
    if name not in of_tasks and not _was_used(queue):
        known = ", ".join(sorted({queue.name for queue in all_queues(alias)})) or "none"
        raise ValueError(f"There is no queue {name!r}. There are: {known}. Others may be on another --connection.")
    return queue


def _was_used(queue: Queue) -> bool:
    place, now = queue.place, minute()
    hours = [place.stats(now - 60 * hour) for hour in range(KNOWN)]
    with _told(queue.connection):
        return bool(client(queue.connection).exists(place.keys.jobs, place.keys.paused, *hours))


def _of_tasks() -> dict[str, str]:
    """Return the queues of TASKS, each with the alias of its connection."""
    try:
        from .tasks.workload import connections_of_queues
    except ImportError:  # Django 5.2 without django-tasks
        return {}
    return connections_of_queues()


def _names(alias: str) -> set[str]:
    stem = f"{settings().prefix}:{ROOM}:{{"
    with _told(alias):
        found: Any = list(client(alias).scan_iter(match=f"{_escaped(stem)}*:jobs", count=1000))
    return {unquote(key.decode()[len(stem) :].rpartition("}")[0]) for key in found}


@contextmanager
def _told(alias: str) -> Iterator[None]:
    """Raise what goes wrong with Redis under our names for it."""
    try:
        yield
    except RedisError as error:
        raise named(error, alias) from None


def _escaped(text: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)
