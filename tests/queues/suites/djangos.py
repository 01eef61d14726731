"""Run by `test_tasks_suites` in a process of its own: Django's tests of ``django.tasks``, as they are, on our backends.

Usage: python djangos.py FOLDER_WITH_DJANGOS_TESTS stock|ours local|redis

The tasks are made by Django's decorator, or by ours. The backends are those for tests; or the one in Redis takes the
place of Django's dummy, which notes what is enqueued.
"""

import sys

tests, decorator, place = sys.argv[1:]
sys.path.insert(0, tests)

from runner import HAS_TASKS, cases_of, configure, run, speak_both  # noqa: E402

OURS = "django_redis_patterns.queues.tasks"
framework = "django.tasks" if HAS_TASKS else "django_tasks"
immediate = f"{framework}.backends.immediate.ImmediateBackend"
configure("tasks", default={"BACKEND": immediate if decorator == "stock" else f"{OURS}.ImmediateBackend", "QUEUES": []})
speak_both()

import django.tasks  # noqa: E402
import django.tasks.backends.dummy  # noqa: E402
import django.tasks.backends.immediate  # noqa: E402
from stored import Noted  # noqa: E402

from django_redis_patterns.queues import tasks as ours  # noqa: E402

django.tasks.backends.immediate.ImmediateBackend = ours.ImmediateBackend
django.tasks.backends.dummy.DummyBackend = Noted if place == "redis" else ours.DummyBackend
if decorator == "ours":
    django.tasks.task = ours.task
    django.tasks.Task = ours.RedisTask  # a class of theirs with options of its own inherits from it

import tasks.test_custom_backend as custom  # noqa: E402
import tasks.test_dummy_backend as dummy  # noqa: E402
import tasks.test_immediate_backend as immediates  # noqa: E402
import tasks.test_tasks as basics  # noqa: E402

LEFT_OUT = {}
if place == "redis":
    why = "It changes a result that the dummy keeps in memory."
    LEFT_OUT |= {f"DummyBackendTestCase.test_refresh_result{face}": why for face in ("", "_async")}
if sys.version_info < (3, 12):
    LEFT_OUT["CustomBackendTestCase.test_no_enqueue"] = "Python says it in other words."
if not HAS_TASKS:
    why = "django-tasks says it in other words, in its own base class."
    LEFT_OUT["DummyBackendTestCase.test_validate_disallowed_async_task"] = why
    LEFT_OUT["CustomBackendTestCase.test_enqueue_async_task_on_non_async_backend"] = why
    why = "Tasks of django-tasks have no such method."
    LEFT_OUT["TaskTestCase.test_unpickle_arbitrary_string"] = why
    LEFT_OUT["TaskTestCase.test_unpickle_non_task_object"] = why
    if decorator == "stock":
        LEFT_OUT["TaskTestCase.test_run_after_in_decorator"] = "The decorator of django-tasks says it in other words."
        LEFT_OUT["TaskTestCase.test_pickle_task"] = "Tasks of django-tasks cannot be pickled; ours can."
        LEFT_OUT["TaskTestCase.test_pickle_task_result"] = "The same."

run([case for module in (basics, custom, dummy, immediates) for case in cases_of(module)], LEFT_OUT)
