"""Where a worker's child gets the jobs of one queue from, and where it records their ends."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from django_redis_patterns.core import trace
from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.core.worker.feed import Job as AnyJob

from .keys import Place
from .moves import ALONE, AT_ONCE, LEASELESS, Claim, End, Stepped, Taker, recover, sleep, step_once, wait_and_step
from .solitude import Solitude

#: Seconds between two looks for what has no owner, or is ours and not known to us, and without a lease.
LOOK_AROUND, LEASELESS_PAUSE = 60.0, 0.2


class QueueJob(Protocol):
    """What runs for a claim."""

    claim: Claim

    @property
    def key(self) -> str | None: ...
    @property
    def is_async(self) -> bool: ...
    def run(self) -> Any: ...
    def end(self, done: Done) -> End:
        """Return how the claim ends."""


class QueueFeed:
    """The queue at *place*, for the child *child*: a feed of the runtime."""

    ahead = 64

    def __init__(
        self,
        place: Place,
        child: str,
        concurrency: int,
        job_of: Callable[[Claim, str], QueueJob],
        solitude: Solitude,
        chores: Callable[[], None],
    ) -> None:
        self.name, self.concurrency = place.name, concurrency
        self.tend = chores
        self._place, self._child, self._job_of, self._solitude = place, child, job_of, solitude
        self._held: dict[tuple[str, str], QueueJob] = {}
        self._tokens = map(str, itertools.count(1))
        self._taking = threading.Lock()
        self._look_at = self._look_around_at = 0.0
        self._wants_alone = self._is_unsure = self._is_leaseless = self._is_closed = False
        self._is_dozing = False  # what is taken right now is not known yet, and none of the strays

    def step(self, done: Sequence[Done], free: int, wait: float, takes_over: bool) -> Sequence[AnyJob]:
        """Record *done*, and take, in one trip; with *wait*, block before that while nothing is to be expected."""
        try:
            return self._step(done, free, wait, takes_over)
        except Exception:
            self._look_at = 0.0  # what would have woken us may have come, and be lost
            raise

    def _step(self, done: Sequence[Done], free: int, wait: float, takes_over: bool) -> Sequence[AnyJob]:
        doze = min(wait, max(0.0, self._look_at - time.monotonic()))
        if doze and not self._takes_as_it_wakes:
            if not self._doze(doze):
                return []
            doze = 0.0
        for start in range(AT_ONCE, len(done), AT_ONCE):
            self._exchange(self._taker(takes_over), done[start : start + AT_ONCE], 0)
        done = done[:AT_ONCE]
        if not free or not self._solitude.enter(self, self._wants_alone, wait):
            if done:
                self._exchange(self._taker(takes_over), done, 0)
            return []
        if doze:
            return self._wait_and_take(free, takes_over, doze)
        with self._taking:
            return self._take(partial(self._exchange, done=done, free=0 if self._is_closed else free), takes_over)

    def close(self) -> None:
        """Take nothing from now on: what is given back is for others. A take that waits already may bring something."""
        with self._taking:
            self._is_closed = True

    def recover(self, held: Sequence[AnyJob]) -> Sequence[AnyJob]:
        """Return what Redis says is ours, and is not *held*."""
        with self._taking:
            jobs: list[Any] = list(held)
            self._held = {(job.claim.id, job.claim.token): job for job in jobs}
            return self._strays()

    @property
    def _takes_as_it_wakes(self) -> bool:
        """Whether a take may wait in Redis. It counts as a job meanwhile, for whose end suspects have to wait."""
        is_calm = self._solitude.is_calm and time.monotonic() < self._look_around_at
        return is_calm and not (self._is_leaseless or self._wants_alone or self._is_closed)

    def _wait_and_take(self, free: int, takes_over: bool, seconds: float) -> list[AnyJob]:
        """Take in the moment in which there is something."""
        with self._taking:
            self._is_dozing = True
        try:
            return self._take(lambda taker: wait_and_step(self._place, taker, free, seconds), takes_over)
        finally:
            self._is_dozing = False

    def _take(self, ask: Callable[[Taker], Stepped], takes_over: bool) -> list[AnyJob]:
        jobs: list[AnyJob] = []
        is_suspect = False
        looks_around = time.monotonic() >= self._look_around_at
        try:
            found = ask(self._taker(takes_over, looks_around))
            jobs += [self._accept(claim) for claim in found.claims]
            is_suspect = any(len(claim.deaths) > 1 for claim in found.claims)
            self._plan(found, takes_over)
        finally:
            self._solitude.left(self, len(jobs), is_suspect)
        if looks_around and not self._is_dozing:
            jobs += self._strays()
            self._look_around_at = time.monotonic() + LOOK_AROUND
        return jobs

    def _taker(self, takes_over: bool, looks_around: bool = False) -> Taker:
        return Taker(
            self._child,
            next(self._tokens),
            is_alone=self._wants_alone,
            takes_over=takes_over,
            looks_around=looks_around,
            is_again=self._is_unsure,
        )

    def _exchange(self, taker: Taker, done: Sequence[Done], free: int) -> Stepped:
        jobs: list[Any] = [one.job for one in done]
        ends = [job.end(one) for job, one in zip(jobs, done, strict=True)]
        try:
            found = step_once(self._place, taker, ends, free, sum(one.seconds for one in done))
        except Exception:
            self._is_unsure = True
            raise
        if done:
            self._recorded(jobs, found)
        return found

    def _recorded(self, jobs: Sequence[Any], found: Stepped) -> None:
        if found.lost and not self._is_unsure:
            trace.count("queues.lost", found.lost)
        self._is_unsure = False
        for job in jobs:
            self._held.pop((job.claim.id, job.claim.token), None)
        self._solitude.ended(self, len(jobs))

    def _accept(self, claim: Claim) -> AnyJob:
        job = self._held[claim.id, claim.token] = self._job_of(claim, self._child)
        return job

    def _strays(self) -> list[AnyJob]:
        claims = recover(self._place, self._child)
        strays = [self._accept(claim) for claim in claims if (claim.id, claim.token) not in self._held]
        self._solitude.ended(self, -len(strays))
        return strays

    def _plan(self, found: Stepped, takes_over: bool) -> None:
        """Decide when to look next."""
        self._wants_alone = found.held == ALONE
        look_in = found.look_in if takes_over else min(found.look_in, 1.0)
        self._look_at = time.monotonic() + (LEASELESS_PAUSE if found.held == LEASELESS else look_in)
        self._is_leaseless = found.held == LEASELESS

    def _is_due(self) -> bool:
        return time.monotonic() >= self._look_at

    def _doze(self, seconds: float) -> bool:
        """Wait for work; returns whether to look for it now."""
        if self._is_leaseless:  # the token that wakes is for those who may take
            self._solitude.pause(seconds)
            return self._is_due()
        return sleep(self._place, seconds) or self._is_due()
