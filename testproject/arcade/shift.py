"""The machine that runs the tasks, and what became of those whose process was killed."""

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from arcade.actions import Refused
from arcade.floor import QUEUES, in_hand
from arcade.machines import Machine, pid_of
from arcade.tasks import ERRANDS, season_report
from django_redis_patterns.queues.tasks.framework import TaskResultDoesNotExist, TaskResultStatus

REMEMBERED = 3
#: What a status means for those who wait for the end of a task.
FATES = {
    TaskResultStatus.SUCCESSFUL: "done",
    TaskResultStatus.RUNNING: "again",
    TaskResultStatus.READY: "waits",
    TaskResultStatus.FAILED: "dead",
}


@dataclass(frozen=True)
class Kill:
    """A process, and the results of what it had in hand."""

    pid: int
    tasks: frozenset[str]

    def fates(self) -> Counter[str]:
        """Return what became of them: "done", "again" in hand, "waits", or "dead" letters."""
        return Counter(map(_fate, self.tasks))


class Shift:
    """One machine with two processes, which work at all queues."""

    def __init__(self) -> None:
        self.machine = Machine(1, "worker", "--threads", "2")
        self.kills: deque[Kill] = deque(maxlen=REMEMBERED)

    @contextmanager
    def working(self, is_on: bool) -> Iterator[None]:
        """Run it while the block lasts, if it is to run at all."""
        if is_on:
            self.machine.start(release=2)
        try:
            yield
        finally:
            self.machine.wait()

    def kill(self, pid: int) -> Kill:
        """Kill one process. Raises Refused."""
        for name in [worker.name for queue in QUEUES.values() for worker in queue.workers()]:
            if pid_of(name) == pid and (tasks := self.machine.kill(name, lambda name=name: in_hand(name))) is not None:
                self.kills.appendleft(kill := Kill(pid, frozenset(tasks)))
                ERRANDS.publish("killed", {"pid": pid})
                return kill
        raise Refused("That is no process of this machine, or it is gone already.")


shift = Shift()


def _fate(result_id: str) -> str:
    try:
        return FATES[season_report.get_backend().get_result(result_id).status]
    except TaskResultDoesNotExist:
        return "done"
