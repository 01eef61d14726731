"""One run of a handler, and what its end means for each of its events."""

import logging
from collections.abc import Sequence
from typing import Any

from django_redis_patterns.core import trace
from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.exceptions import RedisPatternsError, SerializationError

from .consumer import Consumer
from .entries import SERIALIZER
from .event import Event
from .seat import Record, Seat, Taken

#: How often consumers may die over one event. From the third time on it is run alone, and so is the one to blame.
CRASHES = 5
LONGEST_REASON = 1000

logger = logging.getLogger("django_redis_patterns.streams")


class Killed(RedisPatternsError):
    """An event over which consumers died."""


class Job:
    """Runs the handler for one event that *seat* has taken, or a batch of them."""

    __slots__ = ("_broken", "_consumer", "_seat", "events", "key")

    def __init__(self, seat: Seat, events: list[Taken]) -> None:
        self._consumer, self._seat, self.events = seat.consumer, seat, events
        self.key = events[0].lane.decode() or None
        self._broken: dict[bytes, Exception] = {}

    @property
    def is_async(self) -> bool:
        """Whether the handler is an ``async def``."""
        return self._consumer.is_async

    def run(self) -> Any:
        """Call the handler. What cannot be handed to it is left out; if that is all, the reason is raised."""
        if self._consumer.is_async:
            return self._arun()
        return self._consumer.handler(self._argument())

    async def _arun(self) -> Any:
        return await self._consumer.handler(self._argument())

    def _argument(self) -> Event | list[Event]:
        events = [event for taken in self.events if (event := self._event(taken)) is not None]
        if not events:
            raise next(iter(self._broken.values()))
        return events[0] if self._consumer.batch == 1 else events

    def _event(self, taken: Taken) -> Event | None:
        id, data, deliveries, failures, _ = taken
        failed = max(failures, 0)
        try:
            if deliveries - failed > CRASHES:
                raise Killed(f"{CRASHES} consumers died while they ran it")
            return Event(id.decode(), SERIALIZER.loads(data), failed + 1, seat=self._seat, deliveries=deliveries)
        except (Killed, SerializationError) as error:
            self._broken[id] = error
            return None

    def judge(self, done: Done) -> list[Record]:
        """Return what the end of this job means for its events, unless each is simply done."""
        if not done.ran:
            return [Record("back", event) for event in self.events]
        return [self._judged(event, done.error) for event in self.events]

    def is_simply(self, done: Done) -> bool:
        """Whether every event of this job succeeded at its first delivery."""
        went_well = done.ran and done.error is None and not self._broken
        return went_well and all(event.deliveries == 1 and event.failures < 0 for event in self.events)

    def _judged(self, event: Taken, error: BaseException | None) -> Record:
        broken = self._broken.get(event.id)
        if broken is not None:
            return self._given_up(event, broken)
        if error is None:
            return Record("drop", event)
        if len(self.events) - len(self._broken) > 1:
            return Record("apart", event)
        failures = max(event.failures, 0) + 1
        wait = self._wait(error, failures) if failures < self._consumer.max_attempts else None
        return self._given_up(event, error) if wait is None else Record("again", event, max(round(wait * 1000), 0))

    def _wait(self, error: BaseException, failures: int) -> float | None:
        try:
            return self._consumer.backoff(error, failures)
        except Exception:
            logger.exception("%s: backoff() failed itself; the event is given up.", self._consumer.name)
            return None

    def _given_up(self, event: Taken, error: BaseException) -> Record:
        reason = f"{type(error).__name__}: {error}"[:LONGEST_REASON]
        verb = "dead" if self._consumer.dead_letter else "drop"
        return Record(verb, event, max(event.failures, 0) + 1, reason)


def tell(consumer: Consumer, done: Done, records: Sequence[Record]) -> None:
    """Say in the log what becomes of events that did not simply succeed."""
    if apart := sum(record.verb == "apart" for record in records):
        message = "%s: a batch failed; its %d events are run one by one."
        _note(logging.WARNING, "batches_failed", done, message, consumer.name, apart)
    for record in records:
        what = (consumer.name, record.event.id.decode())
        if record.verb == "again":
            attempt = max(record.event.failures, 0) + 1
            message = "%s: %s failed, attempt %d of %d; again in %.1f s."
            _note(logging.WARNING, "failed", done, message, *what, attempt, consumer.max_attempts, record.number / 1000)
        elif record.text:
            ends = "dead" if record.verb == "dead" else "given_up"
            _note(logging.ERROR, ends, done, "%s: %s is given up: %s", *what, record.text)


def _note(level: int, counter: str, done: Done, message: str, *args: Any) -> None:
    trace.count(f"streams.{counter}")
    logger.log(level, message, *args, exc_info=done.error)
