"""Cron: ``QUEUES = {"SCHEDULES": {"digest": {"task": "shop.tasks.digest", "cron": "0 7 * * *"}}}``.

Every worker puts the next run of each schedule into its queue, a little ahead; Redis takes it once, and forward only.
So no process has to be there at that moment, it begins within milliseconds of it, and when none was there for longer,
the last run that was missed is made up for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.utils import timezone

from django_redis_patterns.conf import settings
from django_redis_patterns.conf.values import known
from django_redis_patterns.exceptions import InvalidConfiguration
from django_redis_patterns.queues.fire import fire
from django_redis_patterns.queues.keys import Place
from django_redis_patterns.queues.records import record

from .framework import normalize_json
from .stored import body
from .task import RedisTask, find

#: How long before its moment a run is put into its queue.
AHEAD = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """``cron``: five fields, in Django's ``TIME_ZONE``. ``args`` and ``kwargs``: what the task is called with."""

    name: str
    task: str
    cron: str
    args: list[Any]
    kwargs: dict[str, Any]

    def last_before(self, moment: datetime) -> datetime:
        """Return its last moment until *moment*."""
        local = moment.astimezone(timezone.get_default_timezone())
        found: datetime = next(_cronsim()(self.cron, local + timedelta(seconds=1), reverse=True))
        return found

    def found(self) -> RedisTask[Any, Any]:
        """Return its task. Raises `InvalidConfiguration`."""
        try:
            return find(self.task)
        except SuspiciousOperation as error:
            raise InvalidConfiguration(f"SCHEDULES[{self.name!r}] in QUEUES of REDIS_PATTERNS: {error}") from error


def schedules() -> list[Schedule]:
    """Return the schedules of the settings. Raises `InvalidConfiguration` that says what to write."""
    return [_read(name, given) for name, given in settings().queues.schedules.items()]


def complaints() -> Iterator[str]:
    """Yield what is wrong with each schedule of the settings."""
    for name, given in settings().queues.schedules.items():
        try:
            _read(name, given).found()
        except InvalidConfiguration as error:
            yield str(error)


class Clockwork:
    """Puts the runs of one queue into it."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._put: dict[str, datetime] = {}  # name of a schedule to its last moment that is in Redis

    def __call__(self) -> None:
        """Put in what is due by now, or soon."""
        now = datetime.now(UTC)
        for schedule, task in _of(self._queue):
            moment = schedule.last_before(now + AHEAD)
            if self._put.get(schedule.name) != moment:
                stored = record(body(task, schedule.args, schedule.kwargs), int(task.priority))
                fire(_place(task), schedule.name, moment, moment <= now, stored)
                self._put[schedule.name] = moment


def _of(queue: str) -> Iterator[tuple[Schedule, RedisTask[Any, Any]]]:
    for schedule in schedules():
        task = schedule.found()
        if task.queue_name == queue:
            yield schedule, task


def _place(task: RedisTask[Any, Any]) -> Place:
    backend: Any = task.get_backend()
    return Place(task.queue_name, backend.connection)


def _read(name: str, given: Any) -> Schedule:
    where = f"SCHEDULES[{name!r}] in QUEUES of REDIS_PATTERNS"
    if not isinstance(given, Mapping) or not all(isinstance(given.get(name), str) for name in ("task", "cron")):
        raise InvalidConfiguration(f'{where} is like {{"task": "shop.tasks.digest", "cron": "0 7 * * *"}}.')
    for option in given:
        known(option, [f.name for f in fields(Schedule) if f.name != "name"], f"{where} has no option", "options")
    try:
        _cronsim()(given["cron"], datetime.now(UTC))
    except ValueError as error:
        raise InvalidConfiguration(
            f"{where}: {given['cron']!r} is no cron expression of five fields: {error}."
        ) from error
    return Schedule(name=name, task=given["task"], cron=given["cron"], **_called_with(given, where))


def _called_with(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    args, kwargs = given.get("args", ()), given.get("kwargs", {})
    if not isinstance(args, list | tuple) or not isinstance(kwargs, Mapping):
        raise InvalidConfiguration(f'{where}: args is a list, and kwargs like {{"name": 1}}.')
    try:
        return {"args": normalize_json(args), "kwargs": normalize_json(kwargs)}
    except (TypeError, ValueError) as error:
        raise InvalidConfiguration(f"{where}: args and kwargs are what JSON can hold. {error}.") from error


def _cronsim() -> Any:
    try:
        from cronsim import CronSim, CronSimError
    except ImportError as error:
        raise InvalidConfiguration(
            "SCHEDULES need the package cronsim: pip install django-redis-patterns[tasks]."
        ) from error

    def parsed(cron: str, start: datetime, reverse: bool = False) -> Any:
        try:
            return CronSim(cron, start, reverse=reverse)
        except CronSimError as error:
            raise ValueError(str(error)) from error

    return parsed
