"""How tasks and their results are stored: JSON, in records, pasts and results of the queue."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from django.core.exceptions import SuspiciousOperation

from django_redis_patterns.core.serializers import Json
from django_redis_patterns.exceptions import SerializationError
from django_redis_patterns.queues.ids import made_at
from django_redis_patterns.queues.look import Found
from django_redis_patterns.queues.moves import Claim
from django_redis_patterns.queues.records import body_of, priority_of

from .framework import TaskError, TaskResultStatus
from .result import Result
from .task import RedisTask, find, restored

AnyTask: TypeAlias = RedisTask[Any, Any]
AnyResult: TypeAlias = Result[Any, Any]

#: Characters of a traceback that are kept, its last ones.
LONGEST_TRACEBACK = 10_000
DEFAULT_ALIAS = "default"

_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_FORMAT = Json.FORMAT


@dataclass(frozen=True, slots=True)
class Call:
    """What a record says: which task to call with what."""

    task: AnyTask
    args: list[Any]
    kwargs: dict[str, Any]


@dataclass(slots=True)
class Past:
    """What is known of earlier attempts; times in ms since 1970."""

    started: int | None = None
    last: int | None = None
    workers: list[str] = field(default_factory=list)
    errors: list[list[str]] = field(default_factory=list)


def body(task: AnyTask, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
    """Return a call as it is stored; its arguments are normal JSON."""
    call: list[Any] = [task.module_path, args, kwargs]
    if task.backend != DEFAULT_ALIAS or task.run_after is not None:
        call += [task.backend, milliseconds(task.run_after)]
    return _FORMAT + _json(call).encode("utf-8", "surrogatepass")


def call_of(record: bytes, queue: str) -> Call:
    """Return the call in a record; raises `SerializationError` and `SuspiciousOperation` for what is none."""
    stored = body_of(record)
    try:
        path, args, kwargs, *rest = json.loads(stored[len(_FORMAT) :].decode("utf-8", "surrogatepass"))
        alias, run_after = rest or (DEFAULT_ALIAS, None)
    except (ValueError, TypeError, RecursionError) as error:
        raise SerializationError(f"What was queued is no task: {error}") from error
    right = isinstance(path, str) and isinstance(args, list) and isinstance(kwargs, dict) and isinstance(alias, str)
    if stored[:1] != _FORMAT or not right:
        raise SerializationError("What was queued is no task.")
    priority, after = priority_of(record), moment(run_after)
    task = restored(find(path), queue_name=queue, priority=priority, backend=alias, run_after=after)
    return Call(task, args, kwargs)


def past_of(notes: bytes | None) -> Past:
    """Return what is known of earlier attempts."""
    told = (notes or b"").partition(b" ")[2]
    return Past(*json.loads(told)) if told.startswith(b"[") else Past()


def notes(past: Past) -> bytes:
    """Return it as it is stored."""
    return _json([past.started, past.last, past.workers, past.errors]).encode("utf-8", "surrogatepass")


def value_of(result: AnyResult, record: bytes) -> bytes:
    """Return a successful result as it is stored, with the call that it is of."""
    errors = [[error.exception_class_path, error.traceback] for error in result.errors]
    times = [milliseconds(result.started_at), milliseconds(result.last_attempted_at), milliseconds(result.finished_at)]
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


def claimed(call: Call, claim: Claim, queue: str, worker: str, now: datetime) -> AnyResult:
    """Return the result of a task that starts now."""
    past = past_of(claim.past)
    return new_result(
        call.task,
        result_id(claim.id, queue),
        call.args,
        call.kwargs,
        status=TaskResultStatus.RUNNING,
        enqueued_at=enqueued_at(claim.id),
        started_at=moment(past.started) or now,
        last_attempted_at=now,
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
    call, past = call_of(record, queue), past_of(found.past)
    claim = Claim(id, record, found.past, found.kills, "")
    known: dict[str, Any] = {"enqueued_at": enqueued_at(id), "errors": errors_of(past)}
    known |= {"started_at": moment(past.started), "last_attempted_at": moment(past.last)}
    workers = [*past.workers, *claim.deaths]
    if found.claim is not None:
        worker, _, since = found.claim.decode().split(" ")
        workers.append(worker)
        known |= {"status": TaskResultStatus.RUNNING, "last_attempted_at": moment(int(since))}
        known["started_at"] = known["started_at"] or known["last_attempted_at"]
    elif found.died_ms is not None:
        known |= {"status": TaskResultStatus.FAILED, "finished_at": moment(int(float(found.died_ms)))}
    return new_result(call.task, result_id(id, queue), call.args, call.kwargs, worker_ids=workers, **known)


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


def errors_of(past: Past) -> list[TaskError]:
    """Return the errors of earlier attempts."""
    return [TaskError(exception_class_path=path, traceback=trace) for path, trace in past.errors]


def enqueued_at(id: str) -> datetime | None:
    """Return when a task was enqueued, which its id tells."""
    made = made_at(id)
    return None if made is None else datetime.fromtimestamp(made, UTC)


def milliseconds(moment: datetime | None) -> int | None:
    """Return a moment as it is stored."""
    return None if moment is None else round(moment.timestamp() * 1000)


def moment(milliseconds: int | None) -> datetime | None:
    """Return a moment that was stored."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
