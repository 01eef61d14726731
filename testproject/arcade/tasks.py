"""What the arcade does behind its pages: the season report, and errands. ``manage.py redis worker`` runs them."""

import os
import signal
import time
from typing import Any

from arcade.chapters import CHAPTERS
from arcade.models import SeasonReport
from arcade.topics import QueueTopic
from django_redis_patterns.queues.tasks import exponential, task

WRITING, RUNNING = 0.6, 0.8  # s that a chapter takes, and an errand
REPORTS, ERRANDS = QueueTopic(queue="reports"), QueueTopic(queue="errands")


@task(queue_name="reports", takes_context=True, unique="one at a time", max_attempts=3, timeout=60)
def season_report(context: Any, ordered_by: str) -> list[list[str]]:
    """Write the season report, and tell every open page how far it is."""
    report = SeasonReport.of(context.task_result.id, ordered_by)
    written: list[list[str]] = []
    for title, write in CHAPTERS.items():
        report.reach(len(written), title)
        REPORTS.publish("progress", {"report": report.pk, "chapter": title, "written": len(written)}, now=True)
        time.sleep(WRITING)
        written.append([title, write()])
    report.reach(len(written), "")
    REPORTS.publish("written", {"report": report.pk, "by": ordered_by}, now=True)
    return written


@task(queue_name="errands")
def errand(number: int) -> None:
    """Take a while."""
    time.sleep(RUNNING)
    ERRANDS.publish("done", {"number": number}, now=True)


@task(queue_name="errands", takes_context=True, max_attempts=3, backoff=exponential(3))
def flaky(context: Any) -> str:
    """Fail once; the second time it works."""
    time.sleep(RUNNING)
    ERRANDS.publish("tried", {"attempt": context.attempt}, now=True)
    if context.attempt == 1:
        raise ConnectionError("The mail server hung up.")
    return "sent"


@task(queue_name="errands")
def poison() -> None:
    """Kill the process that runs it, as running out of memory does."""
    ERRANDS.publish("swallowed", {"pid": os.getpid()}, now=True)
    os.kill(os.getpid(), signal.SIGKILL)
