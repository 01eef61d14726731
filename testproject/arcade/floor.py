"""The queues as the page shows them: what waits, who is at work, what is dead, and what happened each minute."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cronsim import CronSim
from django.conf import settings
from django.utils import timezone

from arcade.machines import Machine, pid_of
from django_redis_patterns.core.operations import batch
from django_redis_patterns.queues import Letter, Minute, Queue, Stats, Waiting, Worker

QUEUES = {name: Queue(name) for name in ("reports", "errands")}
SHOWN, LETTERS, MINUTES = 40, 4, 15
#: What pages call a task.
KINDS = {"season_report": "report", "errand": "errand", "flaky": "flaky", "poison": "poison"}


@dataclass(frozen=True)
class Lane:
    """One queue, as it is now."""

    name: str
    stats: Stats
    waiting: list[Waiting]
    letters: list[Letter]
    workers: list[Worker]
    minutes: list[Minute]

    @property
    def cells(self) -> list[str]:
        """The kinds of those that wait, the next one first."""
        return [kind_of(job.data) for job in self.waiting]

    @property
    def dead(self) -> list[tuple[str, Letter]]:
        """Dead letters with their kinds."""
        return [(kind_of(letter.data), letter) for letter in self.letters]

    @property
    def is_busy(self) -> bool:
        """Whether there is something to watch."""
        return bool(self.stats.waiting or self.stats.later or self.stats.running)


@dataclass(frozen=True)
class Process:
    """One that works at the queues. ``hands``: kinds of what it has, and for how many seconds."""

    pid: int
    is_alive: bool
    lease: float
    hands: list[tuple[str, float]]


def lanes() -> list[Lane]:
    """Return all queues, by one trip to Redis."""
    with batch() as together:
        told = [(name, [together(call, *args) for call, args in _asked(queue)]) for name, queue in QUEUES.items()]
    return [Lane(name, *(one.value for one in pending)) for name, pending in told]


def _asked(queue: Queue) -> Iterable[tuple[Any, tuple[int, ...]]]:
    yield queue.stats, ()
    yield queue.peek, (SHOWN,)
    yield queue.dead, (LETTERS,)
    yield queue.workers, ()
    yield queue.history, (MINUTES,)


def processes(found: Iterable[Lane], machine: Machine) -> list[Process]:
    """Return who works at the queues."""
    by_name: dict[str, list[Worker]] = {}
    for worker in (worker for lane in found for worker in lane.workers):
        by_name.setdefault(worker.name, []).append(worker)
    return [
        _process(name, workers, machine) for name, workers in sorted(by_name.items(), key=lambda one: pid_of(one[0]))
    ]


def _process(name: str, workers: list[Worker], machine: Machine) -> Process:
    lease, now = max(worker.lease for worker in workers), datetime.now(UTC)
    hands = [
        (kind_of(job.data), max(0.0, (now - job.since).total_seconds())) for worker in workers for job in worker.jobs
    ]
    return Process(pid_of(name), machine.runs(name) if machine.is_on else lease > 0, lease, hands)


def in_hand(name: str) -> set[str]:
    """Return the ids of the results of what the process *name* has."""
    return {
        f"{job.id}.{queue.name}"
        for queue in QUEUES.values()
        for worker in queue.workers()
        if worker.name == name
        for job in worker.jobs
    }


def kind_of(data: Any) -> str:
    """Return what pages call a task, of what is stored of it."""
    path = data[0] if isinstance(data, list) and data else ""
    return KINDS.get(str(path).rpartition(".")[2], "errand")


@dataclass(frozen=True)
class Bar:
    """What happened in a minute, in both queues."""

    at: datetime
    pushed: int
    done: int
    failed: int
    dead: int


def bars(found: list[Lane]) -> list[Bar]:
    """Return the last minutes, the newest one last."""
    rows = zip(*(lane.minutes for lane in found), strict=True)
    return [
        Bar(row[0].at, *(sum(getattr(one, name) for one in row) for name in ("pushed", "done", "failed", "dead")))
        for row in rows
    ]


def next_night() -> datetime:
    """Return when the nightly report is written next."""
    cron = settings.REDIS_PATTERNS["QUEUES"]["SCHEDULES"]["nightly"]["cron"]
    moment: datetime = next(CronSim(cron, timezone.localtime()))
    return moment
