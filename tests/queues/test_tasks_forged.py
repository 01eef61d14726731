"""What somebody else has written into Redis."""

import pytest
from django.core.exceptions import SuspiciousOperation

from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.records import Entry, record
from django_redis_patterns.queues.tasks import run_tasks
from django_redis_patterns.queues.tasks.framework import TaskResultStatus, task_backends

pytestmark = pytest.mark.permanent_keys("*:queues:*")


@pytest.mark.parametrize(
    "stored",
    [
        b'j["subprocess.check_output",[["id"]],{}]',
        b'j["os.getcwd",[],{}]',
        b'j["tests.errands.tasks.undeclared",[],{}]',
        b'j["tests.errands.tasks.asyncio",[],{}]',
        b'j["",[],{}]',
        b'j["add"]',
        b'j{"task":"tests.errands.tasks.add"}',
        b'j["tests.errands.tasks.add",{},[]]',
        b'j["tests.errands.tasks.add",[],{},"default","soon"]',
        b'j["tests.errands.tasks.add",[],{},"default",1e300]',
        b'j["tests.errands.tasks.add",[],{},"gone",null]',
        b'j["tests.errands.tasks.add",[],{},["default"],null]',
        b"j[" * 100_000,
        b"\x80\x04K\x01.",
        b"",
    ],
    ids=lambda stored: repr(stored[:60]),
)
def test_what_is_no_task_is_a_dead_letter_with_a_reason(stored: bytes) -> None:
    """Whoever can write to Redis cannot have anything called but what this site declares."""
    Queue("default").add(Entry("forged", record(stored)))
    run_tasks()
    (letter,) = Queue("default").dead()
    assert letter.reason
    assert letter.id == "forged"


def test_a_result_of_what_is_no_task_is_suspicious() -> None:
    Queue("default").add(Entry("forged", record(b'j["os.getcwd",[],{}]')))
    with pytest.raises(SuspiciousOperation, match=r"'os\.getcwd' is no task that this site declares"):
        task_backends["default"].get_result("forged.default")


def test_a_task_of_a_backend_that_is_gone_has_failed_and_says_why() -> None:
    Queue("default").add(Entry("old", record(b'j["tests.errands.tasks.add",[1],{},"gone",null]')))
    run_tasks()
    result = task_backends["default"].get_result("old.default")
    assert result.status == TaskResultStatus.FAILED
    assert "gone" in result.errors[0].traceback
