"""What the guide says is so."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core import checks
from django.test import TestCase, override_settings
from django.utils import timezone

import django_redis_patterns.queues
from django_redis_patterns import exceptions
from django_redis_patterns.conf import Queues
from django_redis_patterns.core import trace
from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.tasks import RedisTask, framework, run_tasks, schedules
from django_redis_patterns.queues.tasks.options import Options

pytestmark = [pytest.mark.permanent_keys("redis_patterns:queues:*"), pytest.mark.django_db(transaction=True)]

GUIDE = (Path(django_redis_patterns.queues.__file__).parent / "README.md").read_text()
SETTINGS, DECLARE, ENQUEUE, RESULT, CRON, QUEUE, MANY, LOOK, LOCAL, BURST = re.findall(
    r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL
)


@contextmanager
def with_settings_of(block: str) -> Iterator[None]:
    """What a block of the guide says, over the settings of the tests."""
    names: dict[str, Any] = {}
    exec(block, names)
    told = {name: value for name, value in names.items() if name.isupper()}
    if "REDIS_PATTERNS" in told:
        told["REDIS_PATTERNS"] = settings.REDIS_PATTERNS | told["REDIS_PATTERNS"]
    with override_settings(**told):
        yield


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A site with the settings and the `shop/tasks.py` of the guide."""
    monkeypatch.setattr(inspect.getmodule(RedisTask), "_tasks", {})
    mailed: list[int] = []
    names = {"__name__": "shop.tasks", "mail": mailed.append, "mailed": mailed}
    names |= {"timezone": timezone, "timedelta": timedelta, "print": lambda *_: None}
    with with_settings_of(SETTINGS):
        exec(DECLARE, names)
        yield names


def test_its_settings_need_no_more(site: dict[str, Any]) -> None:
    assert [one for one in checks.run_checks() if "queues" in one.msg or "TASKS" in one.msg] == []


def test_tasks_are_enqueued_and_run(site: dict[str, Any]) -> None:
    """Once for each user, and the one of later not yet."""
    exec(ENQUEUE, site)
    assert site["welcome"].enqueue(user_id=7).id == site["result"].id
    assert len(run_tasks()) == 102
    assert site["mailed"] == [7, 8, *range(100, 200)]
    assert Queue("mail").stats().later == 1
    exec(RESULT, site)
    assert site["result"].return_value == "sent"


def test_a_schedule_is_kept(site: dict[str, Any]) -> None:
    with with_settings_of(CRON):
        assert list(schedules.complaints()) == []
        (schedule,) = schedules.schedules()
        assert schedule.found() is site["digest"]


def test_jobs_are_pushed_and_taken() -> None:
    """The one of an id of its own once."""
    made: list[int] = []
    names: dict[str, Any] = {"make": lambda id: made.append(id) or id != 101, "amake": None}
    exec(QUEUE, names)
    thumbs = names["thumbs"]
    assert made == [7]
    thumbs.push({"id": 9}, id="thumb-9")
    exec(MANY, names)
    assert made == [7, 9, *range(100, 199)]
    assert [job.data for job in thumbs.peek()] == [{"id": 199}, {"id": 10}]
    assert (thumbs.stats().later, thumbs.stats().running) == (2, 0)
    assert inspect.iscoroutinefunction(names["work"])


def test_a_queue_is_looked_after() -> None:
    """Its dead letter is told, and put in again."""
    thumbs = Queue("thumbs", max_attempts=1)
    thumbs.push({"id": 1})
    with pytest.raises(LookupError), thumbs.take():
        raise LookupError("no such picture")
    names: dict[str, Any] = {"thumbs": thumbs, "print": lambda *_: None}
    exec(LOOK, names)
    assert names["letter"].reason == "LookupError: no such picture"
    assert thumbs.stats() == (0, 0, 0, 0, 0, 0, None, False)


def test_a_queue_of_tasks_takes_nothing_else(site: dict[str, Any]) -> None:
    framework.task_backends["default"].queue("mail").push({"id": 1})
    assert run_tasks("mail") == []
    assert len(Queue("mail").dead()) == 1


def test_tasks_run_at_once_in_tests(site: dict[str, Any]) -> None:
    """Those of a commit at the commit, which a test case can have, too."""
    with with_settings_of(LOCAL):
        assert site["welcome"].enqueue(user_id=7).return_value == "sent"
        with TestCase.captureOnCommitCallbacks(execute=True):
            site["welcome"].enqueue_on_commit(user_id=8)
    assert site["mailed"] == [7, 8]
    with with_settings_of(LOCAL.replace("Immediate", "Dummy")):
        site["welcome"].enqueue(user_id=9)
        assert len(framework.task_backends["default"].results) == 1


def test_what_waits_is_run_in_a_test(site: dict[str, Any]) -> None:
    exec(BURST, site)
    assert site["mailed"] == [7]
    assert site["welcome"].call(8) == "sent"


def test_results_are_kept_for_as_long_as_it_says(site: dict[str, Any]) -> None:
    """What is not kept, and what was cancelled, does not exist."""
    cancelled = site["welcome"].enqueue(user_id=7)
    assert cancelled.cancel()
    with override_settings(TASKS={"default": {**settings.TASKS["default"], "OPTIONS": {"result_ttl": 0}}}):
        forgotten = site["digest"].enqueue()
        run_tasks()
    for result in (cancelled, forgotten):
        with pytest.raises(framework.TaskResultDoesNotExist):
            result.refresh()


def _told(table: str) -> dict[str, str]:
    """Return the first column of a table, which begins with this line, and the second one."""
    (rows,) = re.findall(rf"^\| {re.escape(table)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", GUIDE, re.MULTILINE)
    return dict(re.findall(r"^\| `(\w+)` \| `?(.*?)`? \|", rows, re.MULTILINE))


def test_the_options_are_those_that_there_are() -> None:
    """With their defaults."""
    of_tasks = _told("Option")
    real = {field.name: field.default for field in fields(RedisTask) if field.name not in ("func", "run_after")}
    assert {name: ast.literal_eval(value) for name, value in of_tasks.items()} == real


def test_the_settings_are_those_that_there_are() -> None:
    """With their defaults."""
    of_room = {name.lower(): ast.literal_eval(value) for name, value in _told('`REDIS_PATTERNS["QUEUES"]`').items()}
    assert of_room == {
        field.name: field.default if field.default is not MISSING else field.default_factory()  # type: ignore[misc]
        for field in fields(Queues)
    }
    of_backend = _told("`OPTIONS` of a backend")
    assert set(of_backend) == {field.name for field in fields(Options)}
    assert float(of_backend["result_ttl"]) == Options.result_ttl
    assert int(of_backend["max_attempts"]) == Options.max_attempts


def test_the_errors_are_those_that_there_are() -> None:
    (rows,) = re.findall(r"^\| Error \|.*\n\|[-|]+\n((?:\|.*\n)+)", GUIDE, re.MULTILINE)
    named = re.findall(r"`([A-Z]\w+)`", "".join(row.rpartition(" | ")[0] for row in rows.splitlines()))
    known = {*vars(exceptions), "InvalidTask", "InvalidTaskError", "TaskResultDoesNotExist", "TypeError"}
    assert set(named) <= known
    assert {"JobLost", "TaskTimeout", "TaskKilled"} <= set(named)


@pytest.mark.usefixtures("one_node")
@pytest.mark.parametrize(
    ("trips", "commands", "act"),
    [
        (1, 1, lambda site, thumbs, id: site["digest"].enqueue()),
        (2, 2, lambda site, thumbs, id: site["welcome"].enqueue(user_id=1)),
        (1, 3, lambda site, thumbs, id: site["digest"].enqueue_many([()] * 450)),
        (1, 1, lambda site, thumbs, id: site["welcome"].get_result(id)),
        (1, 1, lambda site, thumbs, id: site["there"].refresh()),
        (1, 1, lambda site, thumbs, id: site["there"].cancel()),
        (1, 2, lambda site, thumbs, id: thumbs.peek()),
        (1, 2, lambda site, thumbs, id: thumbs.position("x")),
        (1, 1, lambda site, thumbs, id: thumbs.reprioritize("x", 1)),
        (1, 1, lambda site, thumbs, id: thumbs.remove("x", "y")),
        (1, 1, lambda site, thumbs, id: thumbs.dead()),
        (1, 1, lambda site, thumbs, id: thumbs.retry("x")),
        (1, 1, lambda site, thumbs, id: thumbs.discard("x")),
        (1, 11, lambda site, thumbs, id: thumbs.stats()),
        (2, 2, lambda site, thumbs, id: thumbs.purge()),
    ],
)
def test_it_costs_what_it_says(
    site: dict[str, Any], trips: int, commands: int, act: Callable[[Any, Queue, str], object]
) -> None:
    """Once each script is known to the server."""
    for _ in range(2):
        thumbs = Queue("thumbs")
        thumbs.push(1)
        site["there"] = site["welcome"].enqueue(user_id=1)
        with trace.record() as log:
            act(site, thumbs, site["there"].id)
    assert (log.trips, len(log.commands)) == (trips, commands)
