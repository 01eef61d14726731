"""Tasks that run for longer than they may."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from django_redis_patterns.exceptions import TaskTimeout
from django_redis_patterns.queues.tasks import run_tasks
from django_redis_patterns.queues.tasks.framework import TaskResultStatus
from django_redis_patterns.queues.tasks.timeouts import clock, limited
from tests.errands import tasks

pytestmark = pytest.mark.permanent_keys("*:queues:*")


def spin(seconds: float) -> None:
    """Be busy. (In a loop of the block's own function, Python may raise past the end of the block.)"""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def one_block_after_another() -> None:
    with limited(3600):
        pass
    spin(60)


@pytest.mark.parametrize("task", [tasks.linger, tasks.alinger], ids=lambda task: task.name)
def test_a_task_that_runs_for_too_long_has_failed(task: Any) -> None:
    result = task.enqueue(60)
    run_tasks()
    result.refresh()
    assert result.status == TaskResultStatus.FAILED
    assert result.errors[0].exception_class is TaskTimeout
    assert result.errors[0].traceback.endswith("TaskTimeout: It ran for more than 0.05 s.\n")


@pytest.mark.parametrize("task", [tasks.linger, tasks.alinger], ids=lambda task: task.name)
def test_a_task_that_ends_in_time_is_left_alone(task: Any) -> None:
    result = task.enqueue(0)
    run_tasks()
    result.refresh()
    assert result.return_value == "done"


@pytest.mark.parametrize("task", [tasks.give_up, tasks.agive_up], ids=lambda task: task.name)
def test_a_timeout_of_a_tasks_own_stays_what_it_is(task: Any) -> None:
    result = task.enqueue()
    run_tasks()
    result.refresh()
    assert result.errors[0].exception_class is TimeoutError


def test_whatever_meets_the_end_of_a_block_it_is_raised_inside_or_not_at_all() -> None:
    """Blocks that end when their time is up: nothing waits for ever, and nothing comes afterwards."""
    inside, outside, ended = [], [], []

    def work() -> None:
        for number in range(500):
            try:
                try:
                    with limited(0.0005):
                        spin(0.0005 * (0.9 + number % 4 / 10) if number else 60)
                except TaskTimeout:
                    inside.append(number)
                spin(0.00001)
            except TaskTimeout:
                outside.append(number)
        ended.append(True)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert len(ended) == 4
    assert inside
    assert not outside


def test_the_clock_keeps_nothing_of_what_has_ended() -> None:
    """A million short tasks with an hour each are no million alarms."""
    for _ in range(100):
        with limited(3600):
            pass
    assert not clock._set


def test_of_two_blocks_the_sooner_one_counts() -> None:
    """Whichever is the outer one; and a block that ended leaves the other as it is."""
    with pytest.raises(TaskTimeout, match=r"0\.05 s"), limited(0.05), limited(3600):
        spin(60)
    with pytest.raises(TaskTimeout, match=r"0\.05 s"), limited(3600), limited(0.05):
        spin(60)
    with pytest.raises(TaskTimeout, match=r"0\.05 s"), limited(0.05):
        one_block_after_another()


def test_a_task_may_swallow_it_and_is_not_hit_again() -> None:
    with limited(0.01):
        try:
            spin(60)
        except TaskTimeout:
            spin(0.1)


def test_a_child_that_is_forked_inside_can_leave() -> None:
    """There the clock's thread is gone; a block is left all the same, and the next one is limited."""
    program = """
import os
from django.conf import settings
settings.configure()
from django_redis_patterns.queues.tasks.timeouts import TaskTimeout, limited
def spin():
    while True:
        pass
with limited(3600):
    child = os.fork()
if child:
    raise SystemExit(os.waitpid(child, 0)[1])
try:
    with limited(0.01):
        spin()
except TaskTimeout:
    os._exit(0)
os._exit(1)
"""
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0
