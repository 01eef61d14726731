"""The queues room: a report that is written behind the page, and errands. Everybody may watch, players may act."""

import inspect
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from arcade import tasks
from arcade.actions import Refused, action, number
from arcade.chapters import CHAPTERS
from arcade.floor import QUEUES, bars, lanes, next_night, processes
from arcade.models import SeasonReport
from arcade.shift import shift
from arcade.tasks import ERRANDS, REPORTS
from django_redis_patterns.queues.tasks.framework import TaskResultDoesNotExist

MANY = 20
KINDS = {"many": MANY, "urgent": 1, "flaky": 1, "poison": 1}


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The report, and the life of the queues."""
    code = inspect.getsource(tasks.season_report.func)
    return render(request, "arcade/queues.html", _now() | {"live": True, "many": MANY, "code": code})


@never_cache
@require_safe
def rows(request: HttpRequest) -> HttpResponse:
    """What changes on the page, as it is now, and what Redis was told for it."""
    return render(request, "arcade/queues_rows.html", _now())


@action("queues")
def order(request: HttpRequest) -> str:
    """Order a season report, or look on while one is written."""
    name = _player(request).get_username()
    result = tasks.season_report.enqueue(name)
    report = SeasonReport.of(result.id, name)
    REPORTS.publish("ordered", {"report": report.pk, "by": report.ordered_by})
    if report.ordered_by != name or report.chapters:
        return f"One is being written already, for {report.ordered_by}: there is one at a time."
    return "Ordered. It is written behind the page, chapter by chapter."


@action("queues")
def cancel(request: HttpRequest) -> str:
    """Take back the report that waits."""
    report = SeasonReport.objects.order_by("-ordered_at").first()
    if report is None or not tasks.season_report.get_backend().cancel(report.task):
        raise Refused("It is too late: there is none that waits.")
    report.delete()
    REPORTS.publish("cancelled")
    return "Taken back: it had not begun."


@action("queues")
def errands(request: HttpRequest) -> str:
    """Send errands of some kind."""
    kind = request.POST.get("kind", "")
    if kind not in KINDS:
        raise Refused("There is no such errand.")
    ERRANDS.publish("sent", {"kind": kind})
    return _send(kind)


def _send(kind: str) -> str:
    if kind == "many":
        tasks.errand.enqueue_many([[one] for one in range(1, MANY + 1)])
        return f"{MANY} errands are enqueued, by one trip to Redis."
    if kind == "urgent":
        tasks.errand.using(priority=50).enqueue(0)
        return "An urgent errand: it goes before all that wait."
    getattr(tasks, kind).enqueue()
    return {
        "flaky": "Its first attempt fails, the second one comes a few seconds later.",
        "poison": "It kills who runs it. From the second time on it runs alone.",
    }[kind]


@action("queues")
def kill(request: HttpRequest) -> str:
    """Kill one process."""
    done = shift.kill(number(request, "pid"))
    return f"Process {done.pid} was killed with {_tasks(len(done.tasks))} in hand."


@action("queues")
def pause(request: HttpRequest) -> str:
    """Let nothing more be taken, or go on."""
    if request.POST.get("go") == "on":
        were_paused = [queue.resume() for queue in QUEUES.values()]
        said = "The queues go on." if any(were_paused) else "They were not paused."
    else:
        for queue in QUEUES.values():
            queue.pause()
        said = "The queues are paused: what runs goes on, nothing more is taken."
    ERRANDS.publish("paused")
    return said


@action("queues")
def letters(request: HttpRequest) -> str:
    """Let dead letters run again, or throw them away."""
    is_retry = request.POST.get("do") == "retry"
    count = 0
    for queue in QUEUES.values():
        ids = [letter.id for letter in queue.dead(1000)]
        count += queue.retry(*ids) if is_retry else queue.discard(*ids)
    if not count:
        raise Refused("There are no dead letters.")
    ERRANDS.publish("letters")
    return f"{count} dead letter{'' if count == 1 else 's'} {'run again' if is_retry else 'thrown away'}."


def _now() -> dict[str, Any]:
    found = lanes()
    workers = processes(found, shift.machine)
    chart = bars(found)
    return {
        "lanes": found,
        "processes": workers,
        "machine": shift.machine,
        "report": _report(),
        "total": len(CHAPTERS),
        "has_letters": any(lane.letters for lane in found),
        "is_paused": any(lane.stats.is_paused for lane in found),
        "is_moving": any(lane.is_busy for lane in found) or (shift.machine.is_on and not workers),
        "kills": [(kill, kill.fates()) for kill in list(shift.kills)],
        "bars": chart,
        "most": max([1, *(max(bar.pushed, bar.done + bar.failed + bar.dead) for bar in chart)]),
        "next_night": next_night(),
    }


def _report() -> dict[str, Any] | None:
    """Return the report that was ordered last, and its task's result, if there is one still."""
    report = SeasonReport.objects.order_by("-ordered_at").first()
    if report is None:
        return None
    try:
        result = tasks.season_report.get_result(report.task)
    except TaskResultDoesNotExist:
        return None
    state = result.status.name.lower()
    return {"order": report, "state": state, "attempts": result.attempts, "text": _text(result, state)}


def _text(result: Any, state: str) -> list[list[str]]:
    return result.return_value if state == "successful" else []


def _player(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _tasks(count: int) -> str:
    return f"{count} task{'' if count == 1 else 's'}"
