"""How tasks and their results are stored: JSON, in records, pasts and results of the queue."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from django.core.exceptions import SuspiciousOperation

from django_redis_patterns.core.serializers import Json
from django_redis_patterns.exceptions import QueueError, SerializationError, TaskKilled
from django_redis_patterns.queues.look import Found
from django_redis_patterns.queues.moves import Claim
from django_redis_patterns.queues.records import body_of, priority_of

from .framework import TaskError, TaskResultStatus
from .moments import enqueued_at, exact, latest, microseconds, milliseconds, moment, now
from .result import Result
from .task import RedisTask, find, restored

AnyTask: TypeAlias = RedisTask[Any, Any]
AnyResult: TypeAlias = Result[Any, Any]

#: Characters of a traceback that are kept, its last ones, and how many are: of errors before them, the last line.
LONGEST_TRACEBACK, TRACEBACKS = 10_000, 10
DEFAULT_ALIAS = "default"

_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_FORMAT = Json.FORMAT


class Call(NamedTuple):
    """What a record says: which task to call with what."""

    task: AnyTask
    args: list[Any]
    kwargs: dict[str, Any]


@dataclass(slots=True)
class Past:
    """What is known of attempts that have failed; times in ms since 1970."""

    started: int | None = None
    last: int | None = None
    workers: list[str] = field(default_factory=list)
    errors: list[list[str]] = field(default_factory=list)
    finished: int | None = None  # there was no other attempt

    @property
    def moments(self) -> dict[str, datetime | None]:
        """When the first and the last of them began."""
        started, last = (None if ms is None else moment(ms) for ms in (self.started, self.last))
        return {"started_at": started, "last_attempted_at": last}


def body(task: AnyTask, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
    """Return a call as it is stored; its arguments are normal JSON."""
    call: list[Any] = [task.module_path, args, kwargs]
    if task.backend != DEFAULT_ALIAS or task.run_after is not None:
        call += [task.backend, task.run_after and microseconds(task.run_after)]
    return _FORMAT + _json(call).encode("utf-8", "surrogatepass")


def call_of(record: bytes, queue: str) -> Call:
    """Return the call in a record; raises `SerializationError` and `SuspiciousOperation` for what is none."""
    stored = body_of(record)
    try:
        path, args, kwargs, *rest = json.loads(stored[len(_FORMAT) :].decode("utf-8", "surrogatepass"))
        alias, run_after = rest or (DEFAULT_ALIAS, None)
        after = None if run_after is None else exact(run_after)
        priority = priority_of(record)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise SerializationError(f"What was queued is no task: {error}") from error
    right = isinstance(path, str) and isinstance(args, list) and isinstance(kwargs, dict) and isinstance(alias, str)
    if stored[:1] != _FORMAT or not right:
        raise SerializationError("What was queued is no task.")
    task = restored(find(path), queue_name=queue, priority=priority, backend=alias, run_after=after)
    return Call(task, args, kwargs)


def past_of(notes: bytes | None) -> Past:
    """Return what is known of earlier attempts."""
    told = (notes or b"").partition(b" ")[2]
    return Past(*json.loads(told)) if told.startswith(b"[") else Past()


def notes(past: Past) -> bytes:
    """Return it as it is stored."""
    return _json([past.started, past.last, past.workers, past.errors, past.finished]).encode("utf-8", "surrogatepass")


def value_of(result: AnyResult, record: bytes) -> bytes:
    """Return a successful result as it is stored, with the call that it is of."""
    errors = told_of(result.errors)
    times = [milliseconds(at) for at in (result.started_at, result.last_attempted_at, result.finished_at) if at]
    told = _json([*times, result.worker_ids, errors, result.return_value])
    return record + b"\n" + told.encode("utf-8", "surrogatepass")


def new_result(task: AnyTask, id: str, args: Any, kwargs: Any, **known: Any) -> AnyResult:
    """Return a result of which nothing is known but *known*."""
    blank: dict[str, Any] = {
        "status": TaskResultStatus.READY,
        "enqueued_at": None,
        "started_at": None,
        "last_attempted_at": None,
        "finished_at": None,
        "errors": [],
        "worker_ids": [],
    }
    return Result(task=task, id=id, args=args, kwargs=kwargs, backend=task.backend, **(blank | known))


def result_id(id: str, queue: str) -> str:
    """Return the id of a result: fewer than 64 characters, which say where it is."""
    return f"{id}.{queue}"


def place_of(result_id: str) -> tuple[str, str]:
    """Return the id of the job, and its queue; two empty texts for what is no id."""
    id, _, queue = result_id.partition(".")
    return (id, queue) if id and queue else ("", "")


def claimed(call: Call, claim: Claim, queue: str, worker: str) -> AnyResult:
    """Return the result of a task that starts now."""
    past, enqueued = past_of(claim.past), enqueued_at(claim.id)
    began = now(enqueued)
    return new_result(
        call.task,
        result_id(claim.id, queue),
        call.args,
        call.kwargs,
        status=TaskResultStatus.RUNNING,
        enqueued_at=enqueued,
        started_at=began if past.started is None else moment(past.started),
        last_attempted_at=began,
        errors=errors_of(past),
        worker_ids=[*past.workers, *claim.deaths, worker],
    )


def found_result(found: Found, id: str, queue: str) -> AnyResult | None:
    """Return the result of what was found; None for nothing. Raises `SuspiciousOperation` for what is no task."""
    try:
        if found.record is not None:
            return _unfinished(found, found.record, id, queue)
        if found.result is not None and b"\n" in found.result:
            return _successful(found.result, id, queue)
    except SerializationError as error:
        raise SuspiciousOperation(str(error)) from error
    return None


def _unfinished(found: Found, record: bytes, id: str, queue: str) -> AnyResult:
    call, past, enqueued = call_of(record, queue), past_of(found.past), enqueued_at(id)
    claim = Claim(id, record, found.past, found.kills, "")
    known: dict[str, Any] = {"enqueued_at": enqueued, "errors": errors_of(past), **past.moments}
    workers = [*past.workers, *claim.deaths]
    if found.claim is not None:
        worker, _, since = found.claim.decode().split(" ")
        workers.append(worker)
        began = latest(moment(int(since)), enqueued)
        known |= {"status": TaskResultStatus.RUNNING, "last_attempted_at": began}
        known["started_at"] = known["started_at"] or began
    elif found.died_ms is not None:
        died = past.finished or int(float(found.died_ms))
        ended = latest(moment(died), known["last_attempted_at"], enqueued)
        known |= {"status": TaskResultStatus.FAILED, "finished_at": ended}
        known["errors"] += [] if past.finished else [_unraised(found, claim.deaths)]
    return new_result(call.task, result_id(id, queue), call.args, call.kwargs, worker_ids=workers, **known)


def _unraised(found: Found, deaths: list[str]) -> TaskError:
    """Return why a task failed that was ended by somebody else."""
    kind = TaskKilled if deaths else QueueError
    reason = (found.reason or b"").decode("utf-8", "replace")
    return TaskError(exception_class_path=f"{kind.__module__}.{kind.__qualname__}", traceback=reason)


def _successful(stored: bytes, id: str, queue: str) -> AnyResult:
    record, _, told = stored.partition(b"\n")
    started, last, finished, workers, errors, value = json.loads(told)
    call = call_of(record, queue)
    result = new_result(
        call.task,
        result_id(id, queue),
        call.args,
        call.kwargs,
        status=TaskResultStatus.SUCCESSFUL,
        enqueued_at=enqueued_at(id),
        started_at=moment(started),
        last_attempted_at=moment(last),
        finished_at=moment(finished),
        worker_ids=workers,
        errors=errors_of(Past(errors=errors)),
    )
    object.__setattr__(result, "_return_value", value)
    return result


def told_of(errors: Sequence[Any]) -> list[list[str]]:
    """Return errors as they are stored."""
    told = [[error.exception_class_path, error.traceback] for error in errors]
    for error in told[:-TRACEBACKS]:
        error[1] = error[1].rstrip().rpartition("\n")[2]
    return told


def errors_of(past: Past) -> list[TaskError]:
    """Return the errors of earlier attempts."""
    return [TaskError(exception_class_path=path, traceback=trace) for path, trace in past.errors]
