"""What the guide says is so."""

import inspect
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

import django_redis_patterns.queues
from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.tasks import RedisTask, run_tasks
from django_redis_patterns.queues.tasks.schedules import complaints
from tests.errands import tasks as errands

pytestmark = [pytest.mark.permanent_keys("redis_patterns:queues:*"), pytest.mark.django_db(transaction=True)]

GUIDE = (Path(django_redis_patterns.queues.__file__).parent / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
SETTINGS, DECLARE, ENQUEUE, CRON, PUSH, LOOK, TESTS = BLOCKS


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A site with the settings and the tasks of the guide."""
    names: dict[str, Any] = {"__name__": "tests.errands.tasks", "mailed": []}
    names |= {"mail": names["mailed"].append, "in_an_hour": timezone.now() + timedelta(hours=1)}
    names |= {"resize": lambda data, attempt: None, "good": lambda data: data["id"] % 7}
    exec(SETTINGS, names)
    with override_settings(TASKS=names["TASKS"]):
        exec(DECLARE, names)
        for name in ("welcome", "report"):
            monkeypatch.setattr(errands, name, names[name], raising=False)
        yield names


def test_tasks_are_enqueued_and_run(site: dict[str, Any]) -> None:
    """What waits for a result waits for nothing here, since nobody works."""
    exec(ENQUEUE.partition("results[0]")[0], site)
    assert len(run_tasks()) == 4
    assert sorted(site["mailed"]) == [1, 2]
    site["results"][0].wait(5)
    assert site["results"][0].return_value == "the report of 2025"


def test_the_options_are_those_that_there_are() -> None:
    told = re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \|", GUIDE.partition("### Cron")[0], re.MULTILINE)
    names = {name for row in told for name in row if name}
    assert names == set(inspect.signature(RedisTask).parameters) - {"func", "run_after"}


def test_a_schedule_is_one(site: dict[str, Any]) -> None:
    exec(CRON, site)
    (schedule,) = site["REDIS_PATTERNS"]["QUEUES"]["SCHEDULES"].values()
    schedule["task"] = schedule["task"].replace("shop", "tests.errands")
    with override_settings(REDIS_PATTERNS=site["REDIS_PATTERNS"]):
        assert list(complaints()) == []


def test_a_queue_of_ones_own(site: dict[str, Any]) -> None:
    exec(PUSH, site)
    queue: Queue = site["thumbs"]
    assert queue.stats().waiting > 60
    exec(LOOK, site)
    assert queue.position("mine") is None


def test_a_test_of_a_site(site: dict[str, Any]) -> None:
    exec(TESTS, site)
    assert site["mailed"] == [1, 2]
