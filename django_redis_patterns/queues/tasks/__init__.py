"""Tasks: the queues room for ``django.tasks`` (on Django 5.2 the package ``django-tasks``, extra ``tasks``).

TASKS = {"default": {"BACKEND": "django_redis_patterns.queues.tasks.RedisBackend", "QUEUES": ["default", "mail"]}}

@task(queue_name="mail", priority=10, max_attempts=5, backoff=exponential(2), timeout=60, unique="{user_id}")
def welcome(user_id): ...

result = welcome.enqueue(user_id=1); result.wait(5); result.cancel(); welcome.enqueue_on_commit(user_id=1)
manage.py redis worker --queues mail,default --processes 2 --threads 8
"""

from django_redis_patterns.core.worker.backoff import exponential
from django_redis_patterns.exceptions import TaskTimeout

from .backend import RedisBackend
from .burst import run_tasks
from .local import DummyBackend, ImmediateBackend
from .result import Result
from .task import RedisTask, task

__all__ = [
    "DummyBackend",
    "ImmediateBackend",
    "RedisBackend",
    "RedisTask",
    "Result",
    "TaskTimeout",
    "exponential",
    "run_tasks",
    "task",
]
