"""What people see whole who look after queues: which there are, and all dead letters of one."""

from typing import Any
from urllib.parse import unquote

from django_redis_patterns.conf import settings
from django_redis_patterns.core.connections import client
from django_redis_patterns.core.connections.errors import naming
from django_redis_patterns.core.connections.scan import scan

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


def dead_ids(queue: Queue) -> list[str]:
    """Return the ids of all dead letters, the oldest one first. Raises `RedisUnavailable`."""
    with naming(queue.connection):
        found: Any = client(queue.connection).zrange(queue.place.keys.dead, 0, -1)
    return [id.decode() for id in found]


def _was_used(queue: Queue) -> bool:
    place, now = queue.place, minute()
    hours = [place.stats(now - 60 * hour) for hour in range(KNOWN)]
    with naming(queue.connection):
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
    return {unquote(key[len(stem) :].rpartition("}")[0]) for key in scan(alias, stem, "*:jobs")}
