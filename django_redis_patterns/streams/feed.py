"""Feeds the runtime: events become jobs, and the ends of jobs become records."""

import threading
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import cast

from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.core.worker.feed import Job as AnyJob

from .consumer import Consumer
from .job import BatchJob, Job
from .pace import Pace
from .seat import Ends, Seat, Taken
from .verdict import Note, judge, tell

#: Jobs to take ahead when they are short; events that one child has in hand at most, with all of its jobs.
AHEAD, MOST_IN_HAND = 64, 1000
#: Seconds to block while something is in hand: when it fails, its retry may be the next thing to do.
GLANCE = 1.0


class Feed:
    """What one child has of one handler; `django_redis_patterns.core.worker.feed.Feed` says what is asked of it."""

    def __init__(self, consumer: Consumer, name: str, lease: float) -> None:
        self.name, self.concurrency = consumer.name, consumer.concurrency
        self.ahead = max(1, AHEAD // consumer.batch)
        self._consumer, self._seat, self._pace = consumer, Seat(consumer, name), Pace()
        self._tends_every, self._tends_at = lease / 3, 0.0
        self._in_hand = 0
        self._changed = threading.Condition()

    def step(self, done: Sequence[Done], free: int, wait: float, takes_over: bool) -> Sequence[Job]:
        """Record *done* and take at most *free* jobs."""
        ends = Ends()
        notes = judge(self._consumer, done, ends)
        held = self._in_hand - len(ends)
        most = self._most(free, held)
        if most > 0 and not done and wait and self._has_nothing_due():
            return self._jobs(self._seat.listen(most, self._patience(wait)), free)
        if most <= 0 and not done:
            self._pause(wait)
            return []
        cares = most > 0 and time.monotonic() >= self._tends_at
        if cares:
            self._tends_at = time.monotonic() + self._tends_every
        taken = self._seat.exchange(ends, max(most, 0), alone=held <= 0, cares=cares, takes_over=takes_over)
        self._recorded(done, ends, notes)
        if self._seat.is_lapsed and not done:
            self._pause(min(wait, GLANCE))
        return self._jobs(taken, free)

    def recover(self, held: Sequence[AnyJob]) -> Sequence[Job]:
        """Give back what nobody here knows of; it will be taken like anything that is due."""
        events = [event for job in cast(Sequence[Job], held) for event in job.events]
        self._seat.give_back(events)
        with self._changed:
            self._in_hand = len(events)
        return []

    def close(self) -> None:
        """Nothing has to be done: what a read that waits still brings is given back, or taken over."""

    def tend(self) -> None:
        """Drop what nobody needs any more."""
        if self._consumer.stream.retention is not None:
            self._consumer.stream.trim()

    def _most(self, free: int, held: int) -> int:
        """Return how many events to take for *free* jobs, when *held* are in hand."""
        if self._seat.has_suspects and held > 0:
            return 0
        most = free * self._consumer.batch
        return most if self._consumer.batch > 1 else min(most * self._pace.together, max(MOST_IN_HAND - held, free))

    def _has_nothing_due(self) -> bool:
        now = time.monotonic()
        is_free = not self._seat.has_suspects and not self._seat.is_lapsed
        return is_free and now < self._seat.due_at and now < self._tends_at

    def _patience(self, wait: float) -> float:
        now = time.monotonic()
        longest = min(wait, self._seat.due_at - now, self._tends_at - now)
        return min(longest, GLANCE) if self._in_hand else longest

    def _pause(self, wait: float) -> None:
        """Wait until less is in hand."""
        with self._changed:
            before = self._in_hand
            self._changed.wait_for(lambda: self._in_hand < before, wait)

    def _recorded(self, done: Sequence[Done], ends: Ends, notes: Sequence[Note]) -> None:
        tell(self._consumer, notes)
        for one in done:
            if one.ran:
                self._pace.took(one.seconds, len(cast(Job, one.job).events))
        with self._changed:
            self._in_hand -= len(ends)
            self._changed.notify_all()

    def _jobs(self, events: list[Taken], free: int) -> list[Job]:
        if not events:
            return []
        with self._changed:
            self._in_hand += len(events)
        if self._consumer.batch > 1:
            return [BatchJob(self._seat, together) for together in self._batches(events)]
        return [Job(self._seat, together) for together in self._lines(events, free)]

    def _lines(self, events: list[Taken], free: int) -> Iterator[list[Taken]]:
        """Yield what is run one after another: short ones, for the sake of speed, and each lane."""
        size = max(min(self._pace.together, -(-len(events) // self.concurrency)), -(-len(events) // max(free, 1)))
        for lane in self._lanes(events):
            yield from _cut(lane, size)

    def _batches(self, events: list[Taken]) -> Iterator[list[Taken]]:
        """Yield batches of one lane; what has failed before is by itself."""
        for lane in self._lanes(events):
            for has_failed, group in groupby(lane, lambda event: event.failures >= 0):
                yield from _cut(list(group), 1 if has_failed else self._consumer.batch)

    def _lanes(self, events: list[Taken]) -> Iterator[list[Taken]]:
        """Yield the events of each lane, in their order."""
        if self._consumer.ordered_by is None:
            yield events
            return
        for _, lane in groupby(sorted(events, key=_lane), _lane):
            yield list(lane)


def _lane(event: Taken) -> bytes:
    return event.lane


def _cut(events: list[Taken], size: int) -> Iterator[list[Taken]]:
    return (events[start : start + size] for start in range(0, len(events), size))
