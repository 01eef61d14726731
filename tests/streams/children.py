"""Children without their processes: what they take, how it ends, and how they die."""

import time
from itertools import count
from typing import Any

from django_redis_patterns.core.connections import client
from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.core.worker.lease import hold
from django_redis_patterns.streams.consumer import Consumer
from django_redis_patterns.streams.feed import Feed
from django_redis_patterns.streams.job import Job

names = count(1)
LEASE = 60.0


class Child:
    """One child of a supervisor that holds its lease; it has one feed."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer, self.stream = consumer, consumer.stream
        self.name = f"child{next(names)}"
        self.feed = Feed(consumer, self.name, LEASE)
        self.hand: list[Job] = []
        self.hold()

    def hold(self, seconds: float = LEASE) -> None:
        hold(self.stream.connection, self.stream.keys.live, [self.name], seconds)

    def take(self, free: int = 1, *, takes_over: bool = True) -> list[Job]:
        return self.step([], free, takes_over=takes_over)

    def step(self, done: list[Done], free: int = 0, wait: float = 0, *, takes_over: bool = True) -> list[Job]:
        """As the runtime does: tends its group each time, which saves a test to wait for it."""
        if free:
            self.feed._tends_at = 0.0
        jobs = list(self.feed.step(done, free, wait, takes_over))
        self.hand = [job for job in self.hand if job not in [one.job for one in done]] + jobs
        return jobs

    def run(self, *jobs: Job) -> list[Done]:
        """Run jobs, one after another, and those of a key no more when one of them has failed."""
        done: list[Done] = []
        failed: set[str] = set()
        for job in jobs:
            if job.key in failed:
                done.append(Done(job, ran=False))
                continue
            try:
                done.append(Done(job, job.run()))
            except BaseException as error:
                done.append(Done(job, error=error))
                failed |= {job.key} if job.key else set()
        return done

    def work(self, free: int = 10) -> int:
        """Take, run and record until there is nothing to do; returns how many jobs that were."""
        total, done = 0, self.run(*self.hand)
        while jobs := self.step(done, free):
            done = self.run(*jobs)
            total += len(jobs)
        return total

    def die(self) -> None:
        """Leave everything as it is, until the lease is over."""
        self.hand.clear()

    def lapse(self) -> None:
        """Be away for longer than the lease."""
        client().zadd(self.stream.keys.live, {self.name: time.time() * 1000 - 1000})


def ids(jobs: list[Job]) -> list[str]:
    return [event.id.decode() for job in jobs for event in job.events]


def pending(child: Child) -> dict[str, str]:
    """Return id to consumer of all that is delivered and not acknowledged."""
    if child.consumer.group not in child.stream.groups():
        return {}
    rows: Any = client().xpending_range(child.stream.keys.log, child.consumer.group, "-", "+", 10_000)
    return {row["message_id"].decode(): row["consumer"].decode() for row in rows}
