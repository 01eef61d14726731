"""One run of a task, by a worker."""

import logging
import traceback
from collections.abc import Sequence
from datetime import datetime
from functools import cache, partial
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.core.signals import setting_changed

from django_redis_patterns.core.worker.backoff import exponential
from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.exceptions import SerializationError
from django_redis_patterns.queues.delays import BACKOFF, delay_after
from django_redis_patterns.queues.moves import Claim, End, again, back, dead, done

from .framework import (
    TaskContext,
    TaskError,
    TaskResultStatus,
    normalize_json,
    task_backends,
    task_finished,
    task_started,
)
from .moments import milliseconds, now
from .options import Options
from .stored import (
    LONGEST_TRACEBACK,
    AnyResult,
    AnyTask,
    Call,
    Past,
    call_of,
    claimed,
    notes,
    past_of,
    told_of,
    value_of,
)
from .timeouts import alimited, limited

logger = logging.getLogger("django_redis_patterns.queues")


class TaskJob:
    """A claim of a queue of tasks, for the runtime."""

    key = None

    def __init__(self, claim: Claim, queue: str, child: str) -> None:
        self.claim, self._queue, self._child = claim, queue, child
        self._call: Call | None = None
        self._sender: type | None = None
        self._options = Options()
        self._refusal = ""
        self.result: AnyResult | None = None
        self._delay: float | None = None  # until the next attempt, when this one has failed
        try:
            call = call_of(claim.record, queue)
            self._sender, self._options = _backend(call.task.backend)
            self._call = call
        except (SerializationError, SuspiciousOperation, ImproperlyConfigured) as error:
            self._refusal = str(error)
        self.is_async = self._call is not None and iscoroutinefunction(self._call.task.func)

    def run(self) -> Any:
        """Call the task, and tell its signals; returns what is to be stored. A coroutine, if it is one.

        A receiver that fails before the call fails the attempt; one that fails after it changes nothing, and is logged.
        ``task_finished`` has the whole result, and comes before that is recorded: `refresh` may find it running still.
        """
        if self._call is None:
            raise SuspiciousOperation(self._refusal)
        self.result = claimed(self._call, self.claim, self._queue, self._child)
        return self._arun(self._call, self.result) if self.is_async else self._run(self._call, self.result)

    def end(self, ended: Done) -> End:
        """Return how the claim ends."""
        if not ended.ran:
            return back(self.claim)
        if self._call is None or self.result is None:
            return dead(self.claim, self._refusal or repr(ended.error), b"", failures=0)
        if ended.error is None:
            ttl = self._options.result_ttl
            return done(self.claim, ended.value, ttl) if ttl else done(self.claim)
        past = notes(self._past(self.result))
        if self._delay is not None:
            return again(self.claim, self._delay, past)
        return dead(self.claim, "".join(traceback.format_exception_only(ended.error)).strip()[:1000], past)

    def _run(self, call: Call, result: AnyResult) -> bytes:
        try:
            task_started.send(sender=self._sender, task_result=result)
            with limited(call.task.seconds):
                value = call.task.func(*self._args(call, result), **call.kwargs)
            stored = self._succeed(result, value)
        except BaseException as error:
            if self._fail(call, result, error):
                task_finished.send_robust(sender=self._sender, task_result=result)
            raise
        task_finished.send_robust(sender=self._sender, task_result=result)
        return stored

    async def _arun(self, call: Call, result: AnyResult) -> bytes:
        try:
            await task_started.asend(sender=self._sender, task_result=result)
            async with alimited(call.task.seconds):
                value = await call.task.func(*self._args(call, result), **call.kwargs)
            stored = self._succeed(result, value)
        except BaseException as error:
            if self._fail(call, result, error):  # not by asend, whose receivers do not see what is being handled
                await sync_to_async(task_finished.send_robust)(sender=self._sender, task_result=result)
            raise
        await task_finished.asend_robust(sender=self._sender, task_result=result)
        return stored

    def _args(self, call: Call, result: AnyResult) -> Sequence[Any]:
        return [TaskContext(task_result=result), *result.args] if call.task.takes_context else result.args

    def _succeed(self, result: AnyResult, value: Any) -> bytes:
        """Note what came out; returns it as it is stored."""
        _become(result, _return_value=normalize_json(value))
        _become(result, status=TaskResultStatus.SUCCESSFUL, finished_at=now(result.last_attempted_at))
        return value_of(result, self.claim.record)

    def _fail(self, call: Call, result: AnyResult, error: BaseException) -> bool:
        """Note the error, and decide what follows; returns whether it was the last attempt."""
        path = f"{type(error).__module__}.{type(error).__qualname__}"
        told = "".join(traceback.format_exception(error))[-LONGEST_TRACEBACK:]
        result.errors.append(TaskError(exception_class_path=path, traceback=told))
        _become(result, _return_value=None, finished_at=None)  # what it returned may be what cannot be stored
        failures = self.claim.failures + 1  # since it was enqueued, or was retried as a dead letter
        if failures < (call.task.max_attempts or self._options.max_attempts):
            self._delay = _delay(call.task, result, error, failures)
        if self._delay is None:
            _become(result, status=TaskResultStatus.FAILED, finished_at=now(result.last_attempted_at))
            return True
        _become(result, status=TaskResultStatus.READY)
        text = "Task id=%s path=%s failed: attempt %d, the next one is in %.1f s."
        logger.warning(text, result.id, call.task.module_path, result.attempts, self._delay, exc_info=error)
        return False

    def _past(self, result: AnyResult) -> Past:
        """What is known of all attempts; names of the dead are kept elsewhere."""
        workers = [*past_of(self.claim.past).workers, self._child]
        moments = (result.started_at, result.last_attempted_at, result.finished_at)
        started, last, finished = [None if at is None else milliseconds(at) for at in moments]
        return Past(started, last, workers, told_of(result.errors), finished)


@cache
def _backend(alias: str) -> tuple[type, Options]:
    """Return what a worker has to know of a backend: asking for it takes longer than a short task."""
    backend: Any = task_backends[alias]
    return type(backend), getattr(backend, "chosen", Options())  # one for tests has none


setting_changed.connect(lambda **_: _backend.cache_clear(), weak=False)


def _delay(task: AnyTask, result: AnyResult, error: BaseException, failures: int) -> float | None:
    """Return the seconds until the next attempt; None for none. Its own errors are no reason to forget a task."""
    backoff = task.backoff or BACKOFF
    if isinstance(backoff, exponential):
        return backoff.after(failures)
    return delay_after(failures, partial(backoff, error, result), task.module_path)


def _become(result: AnyResult, **changes: datetime | Any) -> None:
    for name, value in changes.items():
        object.__setattr__(result, name, value)
