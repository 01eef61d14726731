"""What ``manage.py redis worker`` works at: queues of tasks."""

from collections.abc import Sequence
from functools import partial

from django.utils.module_loading import autodiscover_modules

from django_redis_patterns.queues.keys import Place
from django_redis_patterns.queues.moves import Claim
from django_redis_patterns.queues.workload import Post, QueueWorkload

from .backend import RedisBackend
from .framework import task_backends
from .running import TaskJob
from .schedules import Clockwork


def backends() -> list[RedisBackend]:
    """Return the backends of ``TASKS`` that are ours."""
    found = [task_backends[alias] for alias in task_backends]
    return [backend for backend in found if isinstance(backend, RedisBackend)]


def connections_of_queues() -> dict[str, str]:
    """Return the queues that they name, each with the alias of its connection."""
    return {name: backend.connection for backend in reversed(backends()) for name in backend.queues}


def workload(chosen: Sequence[str] = (), threads: int = 8) -> QueueWorkload:
    """Return the work at the *chosen* queues, all of ``TASKS`` if there is none; *threads* for each, or ``name:n``.

    Raises ValueError for what cannot be, and says what can.
    """
    autodiscover_modules("tasks")
    posts = [_post(*_read(one, threads)) for one in chosen or sorted(connections_of_queues())]
    if not posts:
        raise ValueError("TASKS names no queue of a RedisBackend: name those to work at, such as --queues default.")
    return QueueWorkload(posts)


def _read(text: str, threads: int) -> tuple[str, int]:
    """Return a queue and its number of threads; a colon may belong to its name."""
    name, colon, number = text.rpartition(":")
    if not colon or text in connections_of_queues():
        return text, threads
    if not number.isdecimal() or int(number) < 1:
        raise ValueError(f"{text!r} is no queue, nor a queue and a number of threads, such as mail:8.")
    return name, int(number)


def _post(name: str, threads: int) -> Post:
    serving = [backend for backend in backends() if name in backend.queues or not backend.queues]
    if not serving:
        known = ", ".join(sorted(connections_of_queues())) or "none"
        raise ValueError(f"No RedisBackend in TASKS has a queue {name!r}. There are: {known}.")
    place = Place(name, serving[0].connection)
    return Post(place, threads, partial(_job, name), Clockwork(name))


def _job(queue: str, claim: Claim, child: str) -> TaskJob:
    return TaskJob(claim, queue, child)
