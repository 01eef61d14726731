"""Run by `test_tasks_suites` in a process of its own: the tests of django-tasks-rq, the backport's for Redis, on ours.

Usage: python rq.py FOLDER_WITH_THEIR_TESTS FOLDER_WITH_DJANGOS_TESTS

They bring no tasks of their own: Django's are the same, but for a capital letter.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

from runner import configure, read, run, speak_both, stand_in

theirs, djangos = map(Path, sys.argv[1:])
BACKEND = "django_redis_patterns.queues.tasks.RedisBackend"
QUEUES = ("default", "queue-1")
configure(default={"BACKEND": BACKEND, "QUEUES": list(QUEUES)})
speak_both()

from stored import empty  # noqa: E402

from django_redis_patterns.queues import Queue  # noqa: E402
from django_redis_patterns.queues.tasks import RedisBackend, RedisTask, run_tasks  # noqa: E402


def get_queue(name: str) -> SimpleNamespace:
    """Return what they ask a queue of RQ for."""
    return SimpleNamespace(job_ids=[f"{waiting.id}.{name}" for waiting in Queue(name).peek()])


stand_in("django_rq", get_queue=get_queue)
stand_in("fakeredis", FakeRedis=Queue, FakeStrictRedis=Queue)
stand_in("rq")
stand_in("rq.defaults", UNSERIALIZABLE_RETURN_VALUE_PAYLOAD="")
stand_in("rq.timeouts", TimerDeathPenalty=None)
stand_in("django_tasks_rq", RQBackend=RedisBackend)
stand_in("django_tasks_rq.compat", TASK_CLASSES=RedisTask.__mro__)
stand_in("django_tasks_rq.backend", Job=None, RQBackend=RedisBackend)

stand_in("tests")
read("tests.tasks", djangos / "tasks" / "tasks.py", **{"This Task": "This task"})
suite = read("tests.tests", theirs / "tests.py")


class OnRedis(suite.RQBackendTestCase):
    """Their tests, with our burst for their worker."""

    def setUp(self) -> None:
        empty(*QUEUES, "unknown_queue")

    def run_worker(self) -> None:
        run_tasks()


LEFT_OUT = {
    "OnRedis.test_complex_return_value": "It wants the error lost, as RQ does. See the same test in db.",
    "OnRedis.test_invalid_task_path": "It enqueues by RQ, and wants RQ's words. See test_tasks_forged.",
    "OnRedis.test_exception_classes_pop_empty_list_bug": "It breaks a job of RQ.",
    "OnRedis.test_rq_app_missing": "There is no app beside ours.",
    "OnRedis.test_uses_rq_queues_for_queue_names": "There is no other setting of queues.",
    "OnRedis.test_unknown_queue_name": "The same.",
}
run([OnRedis, suite.CompatTestCase], LEFT_OUT)
