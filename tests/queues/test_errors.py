"""What is said of arguments that cannot be, before anything is sent."""

from collections.abc import Callable
from typing import Any

import pytest

from django_redis_patterns.core import trace
from django_redis_patterns.queues import Queue, exponential
from tests.errands import tasks

pytestmark = pytest.mark.permanent_keys("redis_patterns:queues:*")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda queue: Queue("x", backoff=5), r"backoff is called .*, which 5 cannot be: exponential\(2\)\?"),
        (lambda queue: Queue("x", max_attempts="3"), "max_attempts is a whole number, not '3'"),
        (lambda queue: Queue("x", max_attempts=True), "max_attempts is a whole number, not True"),
        (lambda queue: exponential("2"), r"exponential\('2', max=600.0\): write numbers of seconds"),
        (lambda queue: queue.push_many("ab"), r"a list of what to push, not 'ab': push\(\) takes one"),
        (lambda queue: queue.push_many({"id": 1}), r"a list of what to push, not {'id': 1}: push\(\) takes one"),
        (lambda queue: queue.take(wait="5"), "wait is a number of seconds or a timedelta, not '5'"),
        (lambda queue: queue.take_many(1.5), "count is a whole number, not 1.5"),
        (lambda queue: queue.peek("5"), "count is a whole number, not '5'"),
        (lambda queue: queue.dead(True), "count is a whole number, not True"),
        (lambda queue: queue.history(0.5), "minutes is a whole number, not 0.5"),
        (lambda queue: queue.position(None), "Ids are texts, each an argument of its own, not None"),
        (lambda queue: queue.reprioritize(7, 1), "Ids are texts, each an argument of its own, not 7"),
        (lambda queue: queue.remove(["a", "b"]), r"Ids are texts, each an argument of its own, not \['a', 'b'\]"),
        (lambda queue: queue.retry(["a"]), "Ids are texts, each an argument of its own"),
        (lambda queue: queue.discard(queue), "Ids are texts, each an argument of its own"),
        (lambda queue: tasks.add.enqueue_many([1]), r"the arguments of each call, as \(1, 2\) or {'a': 1}, not 1"),
        (lambda queue: tasks.add.enqueue_many(["ab"]), "the arguments of each call, .* not 'ab'"),
    ],
    ids=lambda told: told if isinstance(told, str) else "",
)
def test_what_is_wrong_is_told(wrong: Callable[[Queue], object], told: str) -> None:
    queue = Queue("thumbs")
    with trace.record() as log, pytest.raises((TypeError, ValueError), match=told):
        wrong(queue)
    assert log.commands == []


def test_a_reason_is_a_text() -> None:
    """An error that is given instead changes nothing: the job is in hand as before."""
    queue = Queue("thumbs")
    queue.push(1)
    with queue.take() as job:
        assert job is not None
        reason: Any = LookupError("no such picture")
        with pytest.raises(TypeError, match=r"reason is a text, not LookupError\('no such picture'\)"):
            job.nack(reason)
    assert queue.stats()[:5] == (0, 0, 0, 0, 0)
