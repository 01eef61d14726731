"""Schedules of tasks."""

from importlib.util import find_spec
from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from django_redis_patterns.conf import settings

OUR_TASKS = "django_redis_patterns.queues.tasks.RedisBackend"

Messages = list[checks.CheckMessage]


def task_backends() -> list[dict[str, Any]]:
    """Return what ``TASKS`` says of backends of ours."""
    given: dict[str, dict[str, Any]] = getattr(django_settings, "TASKS", None) or {}
    return [params for params in given.values() if params.get("BACKEND") == OUR_TASKS]


def check_schedules(**_: Any) -> Messages:
    """Report schedules that no worker can keep."""
    try:
        if not settings().queues.schedules:
            return []
    except ImproperlyConfigured:  # `ground.check_configuration` says why
        return []
    if find_spec("django.tasks") is None and find_spec("django_tasks") is None:
        message = "SCHEDULES in QUEUES of REDIS_PATTERNS need django.tasks."
        hint = "pip install django-redis-patterns[tasks]"
        return [checks.Error(message, hint=hint, id="redis_patterns.E702")]
    return list(_complaints())


def _complaints() -> Messages:
    from django_redis_patterns.queues.tasks.schedules import complaints
    from django_redis_patterns.queues.tasks.workload import backends

    if not backends():
        message = "There are SCHEDULES of tasks, and no worker runs them."
        hint = f'Give TASKS a backend "{OUR_TASKS}".'
        return [checks.Warning(message, hint=hint, id="redis_patterns.W701")]
    return [checks.Error(text, id="redis_patterns.E702") for text in complaints()]
