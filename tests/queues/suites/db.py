"""Run by `test_tasks_suites` in a process of its own: the tests of django-tasks-db, a stored backend, on ours.

Usage: python db.py FOLDER_WITH_THEIR_TESTS FOLDER_WITH_DJANGOS_TESTS

Where they count queries, trips are counted; where they ask for rows of a status, results are asked for theirs.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import ContextDecorator, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from runner import configure, read, run, speak_both, stand_in

theirs, djangos = map(Path, sys.argv[1:])
BACKEND = "django_redis_patterns.queues.tasks.RedisBackend"
QUEUES = ("default", "queue-1")
configure("django.contrib.contenttypes", "django.contrib.auth", default={"BACKEND": BACKEND, "QUEUES": list(QUEUES)})
speak_both()

from django.dispatch import receiver  # noqa: E402
from django.tasks import default_task_backend  # noqa: E402
from django.tasks.base import Task  # noqa: E402
from django.tasks.signals import task_enqueued  # noqa: E402
from stored import empty  # noqa: E402

from django_redis_patterns.core import trace  # noqa: E402
from django_redis_patterns.queues.tasks import RedisBackend, run_tasks  # noqa: E402

enqueued: list[Any] = []


@receiver(task_enqueued)
def _note(task_result: Any, **_: Any) -> None:
    enqueued.append(task_result.id)


class Rows:
    """What they ask of the rows of their table."""

    def __init__(self, *statuses: str) -> None:
        self._statuses = statuses

    def count(self) -> int:
        results = map(default_task_backend.get_result, enqueued)
        return sum(result.status in self._statuses for result in results)

    def get(self, id: str) -> Any:
        return default_task_backend.get_result(id)


class Table(Rows):
    """The same of the whole table."""

    ready = staticmethod(lambda: Rows("READY"))
    successful = staticmethod(lambda: Rows("SUCCESSFUL"))
    failed = staticmethod(lambda: Rows("FAILED"))


class DBTaskResult:
    objects = Table("READY", "RUNNING", "SUCCESSFUL", "FAILED")


class exclusive_transaction(nullcontext, ContextDecorator):  # type: ignore[type-arg] # noqa: N801
    """Of a row, which is not tested."""


commands = "django_tasks_db.management.commands"
stand_in("django_tasks_db", DatabaseBackend=RedisBackend)
stand_in("django_tasks_db.compat", Task=Task)
stand_in("django_tasks_db.admin", DBTaskResultAdmin=None)
stand_in("django_tasks_db.management")
stand_in(commands)
stand_in(f"{commands}.prune_db_task_results", logger=logging.getLogger(commands))
stand_in("django_tasks_db.models", DBTaskResult=DBTaskResult, get_date_max=None)
stand_in("django_tasks_db.utils", exclusive_transaction=exclusive_transaction, normalize_uuid=None)
stand_in("tests")
read("tests.tasks", djangos / "tasks" / "tasks.py", **{"This Task": "This task"})
words = {"uuid.UUID(result.id).version, 4": "len(result.id), 28", "is not JSON serializable": "Unsupported type"}
suite = read("tests.tests", theirs / "tests.py", **words)


class OnRedis:
    """What both have."""

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        empty(*QUEUES, "unknown_queue")
        enqueued.clear()

    @contextmanager
    def assertNumQueries(self, number: int) -> Iterator[None]:  # noqa: N802
        with trace.record() as log:
            yield
        assert 0 < log.trips <= number, log.commands


class Backend(OnRedis, suite.DatabaseBackendTestCase):
    """Their tests of the backend."""


class Worker(OnRedis, suite.DatabaseBackendWorkerTestCase):
    """Their tests of the worker, with our burst for it."""

    def run_worker(self, queue_name: str = "default") -> None:
        run_tasks(*([queue_name] if queue_name != "*" else QUEUES))


for queue in QUEUES:  # the server knows the scripts then
    sys.modules["tests.tasks"].noop_task.using(queue_name=queue).enqueue().refresh()
run_tasks()


def without(case: str, why: str, *tests: str) -> dict[str, str]:
    return {f"{case}.test_{test}": why for test in tests}


LEFT_OUT = {
    **without("Backend", "It writes rows.", "refresh_result", "refresh_result_async", "run_after_null_0016_migration"),
    **without("Backend", "It writes rows. See test_tasks_forged.", "invalid_task_path", "missing_task_path"),
    **without("Backend", "It is about the table.", "task_name", "priority_range_check", "index_scan_for_ready"),
    **without("Backend", "There is no app beside ours.", "database_backend_app_missing"),
    **without("Backend", "Ids say where a task is.", "custom_id_function", "unknown_id_function"),
    **without("Backend", "The same.", "postgres_db_id_function", "postgres_id_function_expression"),
    **without("Worker", "It writes rows. See test_tasks_forged.", "invalid_task_path", "missing_task_path"),
    **without("Worker", "It writes rows.", "task_import_string", "run_after"),
    **without(
        "Worker", "It is about the order and the locks of rows.", "run_after_priority", "worker_with_locked_rows"
    ),
    **without(
        "Worker",
        "Our command takes queues.",
        "unknown_backend",
        "incorrect_backend",
        "exclude_queues_requires_processing_all_queues",
        "excluding_unknown_queue_processes_selected_queues",
        "process_all_queues_excluding_one_queue",
        "doesnt_process_different_backend",
    ),
    **without(
        "Worker",
        "Our command does not poll.",
        "negative_interval",
        "infinite_interval",
        "fractional_interval",
        "zero_interval",
    ),
    **without("Worker", "Our command names its children.", "too_long_worker_id", "empty_worker_id"),
    **without(
        "Worker",
        "It is about their command's options and log.",
        "negative_max_tasks",
        "zero_max_tasks",
        "max_tasks",
        "verbose_logging",
    ),
}
run([Backend, Worker, suite.CompatTestCase], LEFT_OUT)
