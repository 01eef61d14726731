"""What the end of a job means for each of its events: done, again, given up."""

import logging
from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from django_redis_patterns.core import trace
from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.exceptions import SerializationError

from .consumer import Consumer
from .job import BatchJob, Job, Killed
from .seat import Ends, Record, Taken

LONGEST_REASON = 1000

logger = logging.getLogger("django_redis_patterns.streams")


class Note(NamedTuple):
    """What to say about a record once it is made."""

    record: Record
    error: BaseException


def judge(consumer: Consumer, done: Iterable[Done], ends: Ends) -> list[Note]:
    """Add to *ends* what has ended, and how; returns what to say about it."""
    notes: list[Note] = []
    for one in done:
        job = cast(Job, one.job)
        if job.went_well(one):
            ends.done += job.events
            continue
        ended = list(job.ended(one))
        together = isinstance(job, BatchJob) and sum(error is one.error for _, error in ended) > 1
        for taken, error in ended:
            if error is not None:
                is_apart = together and error is one.error
                notes.append(Note(Record("apart", taken) if is_apart else _failed(consumer, taken, error), error))
            elif taken.is_first:
                ends.done.append(taken)
            else:
                ends.others.append(Record("drop", taken))
        if len(ended) < len(job.events):
            known = {taken.id for taken, _ in ended}
            ends.others += [Record("back", taken) for taken in job.events if taken.id not in known]
    ends.others += [note.record for note in notes]
    return notes


def _failed(consumer: Consumer, taken: Taken, error: BaseException) -> Record:
    failures = max(taken.failures, 0) + 1
    is_hopeless = isinstance(error, Killed | SerializationError) or failures >= consumer.max_attempts
    wait = None if is_hopeless else _wait(consumer, error, failures)
    if wait is not None:
        return Record("again", taken, max(round(wait * 1000), 0))
    reason = f"{type(error).__name__}: {error}"[:LONGEST_REASON]
    return Record("dead" if consumer.dead_letter else "drop", taken, failures, reason)


def _wait(consumer: Consumer, error: BaseException, failures: int) -> float | None:
    try:
        return consumer.backoff(error, failures)
    except Exception:
        logger.exception("%s: its backoff has failed, and the event is given up.", consumer.name)
        return None


def tell(consumer: Consumer, notes: Iterable[Note]) -> None:
    """Say in the log what becomes of events that have failed, and count them."""
    batches: dict[int, list[Note]] = {}
    for note in notes:
        record, attempt = note.record, max(note.record.event.failures, 0) + 1
        what = (consumer.name, record.event.id.decode())
        if record.verb == "apart":
            batches.setdefault(id(note.error), []).append(note)
        elif record.verb == "again":
            message = "%s: %s failed, attempt %d of %d; again in %.1f s."
            _say(logging.WARNING, note, "failed", message, *what, attempt, consumer.max_attempts, record.number / 1000)
        else:
            _say(logging.ERROR, note, "given_up", "%s: %s is given up: %s", *what, record.text)
    for together in batches.values():
        message = "%s: a batch has failed; its %d events are run one by one."
        _say(logging.WARNING, together[0], "batches_failed", message, consumer.name, len(together))


def _say(level: int, note: Note, counter: str, message: str, *args: Any) -> None:
    trace.count(f"streams.{counter}")
    logger.log(level, message, *args, exc_info=note.error)
