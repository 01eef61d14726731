"""When a schedule is due, and what one may say of it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from django_redis_patterns.core.connections import client
from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.tasks.framework import task_backends
from django_redis_patterns.queues.tasks.schedules import Clockwork, complaints, schedules

pytest.importorskip("cronsim")
pytestmark = pytest.mark.permanent_keys("*:queues:*")


def scheduled(**said: Any) -> override_settings:
    from django.conf import settings

    given = {"task": "tests.errands.tasks.add", "cron": "0 7 * * *", "args": [1]} | said
    return override_settings(REDIS_PATTERNS=settings.REDIS_PATTERNS | {"QUEUES": {"SCHEDULES": {"digest": given}}})


@pytest.mark.parametrize("use_tz", [True, False])
def test_a_cron_is_in_the_time_zone_of_the_site(use_tz: bool) -> None:
    """Not in that of the user whose request is being served; also where moments are naive."""
    with scheduled(), override_settings(TIME_ZONE="Asia/Tokyo", USE_TZ=use_tz), timezone.override("America/Lima"):
        (schedule,) = schedules()
        assert schedule.last_before(datetime(2026, 5, 4, 12, tzinfo=UTC)) == datetime(2026, 5, 3, 22, tzinfo=UTC)
        assert schedule.last_before(datetime(2026, 5, 3, 22, tzinfo=UTC)) == datetime(2026, 5, 3, 22, tzinfo=UTC)


@pytest.mark.parametrize("use_tz", [True, False])
def test_what_is_due_soon_is_put_in_once_by_all(use_tz: bool) -> None:
    with scheduled(cron="* * * * *"), override_settings(USE_TZ=use_tz):
        for _ in range(3):
            Clockwork("default")()
        ((id, _),) = client().zrange(Queue("default").place.keys.later, 0, -1, withscores=True)
        result = task_backends["default"].get_result(f"{id.decode()}.default")
    assert (result.args, result.kwargs) == ([1], {})


def test_summer_time_makes_no_run_come_twice_or_never() -> None:
    """2:30 is there twice on one night of the year, and on another one not at all."""
    with scheduled(cron="30 2 * * *"), override_settings(TIME_ZONE="Europe/Berlin"):
        (schedule,) = schedules()
        spring = {schedule.last_before(datetime(2026, 3, 29, hour, 59, tzinfo=UTC)) for hour in range(24)}
        autumn = {schedule.last_before(datetime(2026, 10, 25, hour, 59, tzinfo=UTC)) for hour in range(24)}
    assert len({moment for moment in spring if moment.astimezone(UTC).date().day == 29}) == 1
    assert len({moment for moment in autumn if moment.astimezone(UTC).date().day == 25}) == 1


@pytest.mark.parametrize(
    ("said", "given"),
    [
        ("args and kwargs are what JSON can hold", {"args": [datetime(2026, 1, 1)]}),
        ("args and kwargs are what JSON can hold", {"kwargs": {"a": object()}}),
        ("args is a list", {"args": "ann"}),
        ("args is a list", {"kwargs": ["ann"]}),
        ("is like", {"cron": None}),
        ("is like", {"task": None}),
        ("no cron expression of five fields", {"cron": "0 25 * * *"}),
        ("is no task that this site declares", {"task": "os.getcwd"}),
        ("has no option 'every'", {"every": "day"}),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_named(said: str, given: dict[str, Any]) -> None:
    with scheduled(**given):
        (found,) = complaints()
    assert said in found
    assert "SCHEDULES['digest']" in found
