"""What one may say of a task and of a backend, and what is said of what one may not."""

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import checks
from django.test import override_settings
from django.utils import timezone

from django_redis_patterns.core.connections import client
from django_redis_patterns.exceptions import InvalidConfiguration
from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.tasks import RedisBackend, RedisTask, exponential, run_tasks, task
from django_redis_patterns.queues.tasks.framework import InvalidTask, TaskResultStatus, task_backends
from django_redis_patterns.queues.tasks.framework import Task as DjangosTask
from tests.errands import tasks
from tests.queues.hands import Child

pytestmark = pytest.mark.permanent_keys("*:queues:*")
REDIS = "django_redis_patterns.queues.tasks.RedisBackend"


def plain(user_id: int = 1) -> int:
    return user_id


anonymous = lambda: 1  # noqa: E731


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ("max_attempts is a whole number from 1 on, not 0", {"max_attempts": 0}),
        ("max_attempts is a whole number from 1 on, not True", {"max_attempts": True}),
        ("max_attempts is a whole number from 1 on, not '3'", {"max_attempts": "3"}),
        ("backoff is called with an exception and a result, which 5 cannot be", {"backoff": 5}),
        ("timeout is more than 0 seconds", {"timeout": 0}),
        ("timeout is from 0 seconds to ten years, not -1", {"timeout": -1}),
        ("timeout is from 0 seconds to ten years, not nan", {"timeout": float("nan")}),
        ("timeout is a number of seconds or a timedelta, not '60'", {"timeout": "60"}),
        ("unique='{user}' names no argument of it: 'user'", {"unique": "{user}"}),
        ("unique='{}' names no argument of it: ''", {"unique": "{}"}),
        ("unique='{user_id' is no template", {"unique": "{user_id"}),
        ("unique=7 is no template", {"unique": 7}),
        ("unique_until is 'started' or 'finished', not 'ended'", {"unique_until": "ended"}),
        ("priority must be a whole number", {"priority": 101}),
        ("Queue 'thumbs' is not valid for backend", {"queue_name": "thumbs"}),
        ("A queue's name has 1 to 40 characters", {"queue_name": "q" * 41, "backend": "any"}),
        ("A queue's name has 1 to 40 characters", {"queue_name": "", "backend": "any"}),
        ("Task takes context but does not have a first argument of 'context'", {"takes_context": True}),
    ],
)
def test_a_wrong_option_is_named(said: str, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidTask) as caught:
        task(**options)(plain)
    assert said in str(caught.value)


def test_what_django_leaves_without_a_default_has_one() -> None:
    """In Django 6.0 its class has none for the queue, the priority and the moment."""
    django_has = {field.name for field in fields(DjangosTask)} - {"func"}
    assert django_has <= RedisTask.__annotations__.keys()


def test_a_function_that_no_worker_finds_is_no_task() -> None:
    def inner() -> None: ...

    for function in (inner, any):
        with pytest.raises(InvalidTask, match="module level"):
            task(function)
    with pytest.raises(InvalidTask, match="A lambda has no name"):
        task(anonymous)


def test_a_naive_moment_is_refused_where_moments_are_aware() -> None:
    with pytest.raises(InvalidTask, match="run_after must be an aware datetime"):
        tasks.add.using(run_after=datetime.now())
    with pytest.raises(TypeError, match="run_after cannot be defined statically"):
        task(run_after=timezone.now())(plain)


def test_durations_are_numbers_or_timedeltas() -> None:
    declared = task(timeout=timedelta(minutes=1), backoff=exponential(1))(plain)
    assert declared.seconds == 60
    with override_settings(TASKS={"default": {"BACKEND": REDIS, "OPTIONS": {"result_ttl": timedelta(minutes=5)}}}):
        result = tasks.add.enqueue(1)
        run_tasks()
        id = result.id.partition(".")[0]
        assert 0 < client().pttl(Queue("default").place.results([id])[0]) <= 300_000


@pytest.mark.parametrize(
    ("said", "params"),
    [
        ("max_attempts is a whole number from 1 on, not 0", {"OPTIONS": {"max_attempts": 0}}),
        ("max_attempts is a whole number from 1 on, not True", {"OPTIONS": {"max_attempts": True}}),
        ("result_ttl is a number of seconds or a timedelta, not '1d'", {"OPTIONS": {"result_ttl": "1d"}}),
        ("result_ttl is from 0 seconds to ten years, not inf", {"OPTIONS": {"result_ttl": float("inf")}}),
        ("has no option 'results'", {"OPTIONS": {"results": 1}}),
        ("there is no connection 'jobs'", {"OPTIONS": {"connection": "jobs"}}),
        ("QUEUES of TASKS['default'] is a list of names, not a text: write ['mail']", {"QUEUES": "mail"}),
        ("a name has 1 to 40 characters, which 'qqqqqqq", {"QUEUES": ["q" * 41]}),
    ],
)
def test_a_wrong_setting_is_named_by_the_checks(said: str, params: dict[str, Any]) -> None:
    with override_settings(TASKS={"default": {"BACKEND": REDIS, **params}}):
        (found, *_) = task_backends["default"].check()
    assert (found.id, found.level) == ("redis_patterns.E701", checks.ERROR)
    assert said in found.msg


def test_a_wrong_option_of_a_backend_is_an_error_where_it_is_used() -> None:
    wrong = {"BACKEND": REDIS, "OPTIONS": {"result_ttl": "1d"}}
    with override_settings(TASKS={"default": wrong}), pytest.raises(InvalidConfiguration, match="result_ttl"):
        tasks.add.enqueue(1)


@pytest.mark.parametrize("said", ["nothing", -1, float("inf"), float("nan"), "soon", [1]], ids=repr)
def test_a_backoff_that_says_nonsense_is_not_listened_to(said: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The task is tried again at the usual time; the worker goes on."""

    def backoff(error: BaseException, result: Any) -> Any:
        return said if said != "nothing" else undefined  # type: ignore[name-defined] # noqa: F821

    object.__setattr__(tasks.lingering, "backoff", backoff)
    result = tasks.lingering.enqueue("no")
    Child("one").run()
    result.refresh()
    assert (result.status, len(result.errors)) == (TaskResultStatus.READY, 1)
    assert "The backoff of tests.errands.tasks.lingering failed." in caplog.text


def test_a_backoff_may_be_a_timedelta_and_may_give_up() -> None:
    """None ends a task, whatever attempts are left."""
    object.__setattr__(tasks.lingering, "backoff", lambda error, result: timedelta(hours=1))
    result = tasks.lingering.enqueue("no")
    Child("one").run()
    ((_, due),) = client().zrange(Queue("default").place.keys.later, 0, -1, withscores=True)
    result.refresh()
    assert due / 1000 - 3600 == pytest.approx(result.last_attempted_at.timestamp(), abs=60)
    object.__setattr__(tasks.lingering, "backoff", lambda error, result: None)
    other = tasks.lingering.enqueue("no")
    Child("one").run()
    other.refresh()
    assert other.status == TaskResultStatus.FAILED


def test_a_unique_task_is_known_by_its_arguments_as_they_are_stored() -> None:
    """A tuple is a list then, and bytes are text; keywords are as good as places."""
    first = tasks.greet.enqueue("ann")
    assert tasks.greet.enqueue(who=b"ann").id == first.id
    assert tasks.greet.enqueue(("ann",)).id == tasks.greet.enqueue(["ann"]).id != first.id


def test_a_unique_task_whose_other_has_just_gone_is_enqueued(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two trips the other one may end without a result: then there is nothing to return but a new one."""
    backend: Any = task_backends["default"]
    other = tasks.greet.enqueue("ann")
    get_result = backend.get_result

    def too_late(id: str) -> Any:
        backend.cancel(other.id)
        return get_result(id)

    monkeypatch.setattr(backend, "get_result", too_late)
    result = tasks.greet.enqueue("ann")
    assert result.id != other.id
    assert [waiting.id for waiting in Queue("default").peek()] == [result.id.partition(".")[0]]


def test_a_task_that_was_declared_for_another_backend_runs_on_ours() -> None:
    """Also one of Django's own class, by ``using(backend=...)``: an app need not know of us."""
    assert type(tasks.foreign) is DjangosTask
    result = tasks.foreign.using(backend="default", priority=3).enqueue(2, b=3)
    assert isinstance(result.task.get_backend(), RedisBackend)
    (ran,) = run_tasks()
    result.refresh()
    assert (result.return_value, ran.task.priority) == (5, 3)
    assert ran.task.func is tasks.foreign.func
