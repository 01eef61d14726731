"""Feeds the runtime: events become jobs, and the ends of jobs become records."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import cast

from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.core.worker.feed import Job as AnyJob

from .consumer import Consumer
from .job import Job, tell
from .log import Log
from .seat import Ends, Record, Seat, Taken

#: Short jobs that are taken ahead, in events.
AHEAD = 64
#: Seconds to block while something is in hand: when it fails, its retry may be the next thing to do.
GLANCE = 1.0


class Feed:
    """What one child has of one handler; `django_redis_patterns.core.worker.feed.Feed` says what is asked of it."""

    def __init__(self, consumer: Consumer, name: str, lease: float) -> None:
        self.name, self.concurrency = consumer.name, consumer.concurrency
        self.ahead = max(1, AHEAD // consumer.batch)
        self._consumer, self._seat = consumer, Seat(consumer, name)
        self._tends_every, self._tends_at = lease / 3, 0.0
        self._in_hand = 0
        self._emptied = threading.Condition()

    def step(self, done: Sequence[Done], free: int, wait: float, takes_over: bool) -> Sequence[Job]:
        """Record *done* and take at most *free* jobs."""
        most = free * self._consumer.batch
        if wait and not done and self._has_nothing_due():
            return self._jobs(self._seat.listen(most, self._patience(wait)))
        ends, notes = self._ends(done)
        held = self._in_hand - len(done)
        if self._seat.has_suspects and held > 0:
            most = 0
        cares = most > 0 and time.monotonic() >= self._tends_at
        if cares:
            self._tends_at = time.monotonic() + self._tends_every
        if ends or most:
            jobs = self._jobs(self._seat.exchange(ends, most, alone=held == 0, cares=cares, takes_over=takes_over))
            self._recorded(done, notes)
            return jobs
        with self._emptied:
            self._emptied.wait_for(lambda: not self._in_hand, wait)
        return []

    def recover(self, held: Sequence[AnyJob]) -> Sequence[Job]:
        """Give back what nobody here knows of; it will be taken like anything that is due."""
        jobs = cast(Sequence[Job], held)
        self._seat.give_back([event for job in jobs for event in job.events])
        with self._emptied:
            self._in_hand = len(jobs)
        return []

    def tend(self) -> None:
        """Drop what nobody needs any more."""
        stream: Log = self._consumer.stream
        if stream.retention is not None:
            stream.trim()

    def _has_nothing_due(self) -> bool:
        now = time.monotonic()
        return now < self._seat.due_at and now < self._tends_at and not self._seat.has_suspects

    def _patience(self, wait: float) -> float:
        now = time.monotonic()
        longest = min(wait, self._seat.due_at - now, self._tends_at - now)
        return min(longest, GLANCE) if self._in_hand else longest

    def _ends(self, done: Sequence[Done]) -> tuple[Ends, list[tuple[Done, list[Record]]]]:
        """Return what to record, and what to say about it then."""
        ends, notes = Ends(), []
        for one in done:
            job = cast(Job, one.job)
            if job.is_simply(one):
                ends.done += job.events
            else:
                records = job.judge(one)
                ends.others += records
                notes.append((one, records))
        return ends, notes

    def _recorded(self, done: Sequence[Done], notes: Iterable[tuple[Done, list[Record]]]) -> None:
        for one, records in notes:
            tell(self._consumer, one, records)
        with self._emptied:
            self._in_hand -= len(done)
            self._emptied.notify_all()

    def _jobs(self, events: Iterable[Taken]) -> list[Job]:
        jobs = [Job(self._seat, together) for together in self._together(events)]
        with self._emptied:
            self._in_hand += len(jobs)
        return jobs

    def _together(self, events: Iterable[Taken]) -> Iterator[list[Taken]]:
        """Yield the events of each job: what has failed before is by itself, others in batches, each of one lane."""
        batch = self._consumer.batch
        if batch == 1:
            yield from ([event] for event in events)
            return
        for (_, has_failed), group in groupby(_by_lane(events), lambda event: (event.lane, event.failures >= 0)):
            alike = list(group)
            size = 1 if has_failed else batch
            yield from (alike[start : start + size] for start in range(0, len(alike), size))


def _by_lane(events: Iterable[Taken]) -> list[Taken]:
    """Return events lane by lane; within one, they keep their order."""
    return sorted(events, key=lambda event: event.lane)
