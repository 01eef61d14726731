"""What somebody else has written into Redis."""

import pytest
import redis
from django.core.exceptions import SuspiciousOperation

from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.records import Entry, record
from django_redis_patterns.queues.tasks import run_tasks
from django_redis_patterns.queues.tasks.framework import TaskResultStatus, task_backends
from tests.errands.tasks import add

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


@pytest.mark.parametrize("id", [b"nobody", b"\xff\xfe", b"x" * 65])
def test_an_id_that_nobody_has_pushed_is_a_dead_letter(id: bytes, bare_redis: redis.Redis) -> None:
    """It stops nobody: what is behind it runs."""
    keys = Queue("default").place.keys
    add.enqueue(1)
    bare_redis.rpush(keys.ready, id)
    bare_redis.hset(keys.jobs, id, b"0 x") if id != b"nobody" else None
    (result,) = run_tasks()
    assert result.return_value == 1
    (letter,) = Queue("default").dead()
    assert letter.reason == "there is no such job"


def test_what_is_told_of_a_job_may_be_nonsense(bare_redis: redis.Redis) -> None:
    """Its record, its past, and who died of it."""
    keys = Queue("default").place.keys
    for id, forged in {"a": keys.jobs, "b": keys.past, "c": keys.kills}.items():
        Queue("default").push(1, id=id)
        bare_redis.hset(forged, id, "nonsense")
    bare_redis.hset(keys.running, "c", "gone 1 1")
    assert sorted(waiting.id for waiting in Queue("default").peek()) == ["a", "b", "c"]
    run_tasks()
    assert sorted(letter.id for letter in Queue("default").dead()) == ["a", "b", "c"]
