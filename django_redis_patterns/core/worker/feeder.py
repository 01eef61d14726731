"""Carries jobs from a feed to its handlers, and their ends back: two threads, because a blocking read cannot be ended.

The *taker* takes, and carries the ends along which are there when it goes; while it blocks for want of jobs, the
*finisher* carries them, a few at a time. Neither ever gives up.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from .custody import Custody
from .feed import Done, Feed, Job
from .lanes import Lanes
from .weather import Weather

#: Seconds that a take may block, for which an end may wait for others, and until a call is tried again at the end.
BLOCK, LINGER, HURRY = 10.0, 0.005, 0.2


class Feeder:
    """Works *feed* until it is closed; *emptied* is called whenever nothing is left to record."""

    def __init__(self, feed: Feed, lease: float, emptied: Callable[[], None]) -> None:
        self._feed, self._lease, self._emptied = feed, lease, emptied
        self._weather, self._chores = Weather(feed.name), Weather(f"{feed.name}, housekeeping")
        self._custody = Custody(feed, Lanes(feed, self._ended))
        self._guard = threading.Lock()
        self._room, self._due = threading.Condition(self._guard), threading.Condition(self._guard)
        self._closing = threading.Event()
        self._looking = threading.Lock()  # nobody looks for what was lost while the other's take is on its way
        self._is_unsure = False  # a take may have brought something that was lost on its way
        self._is_to_look = self._is_blocked = False
        self.jobs = 0  #: how many have run
        self._tends_at = time.monotonic()

    def start(self) -> None:
        """Begin."""
        for work in (self._take, self._finish):
            threading.Thread(target=work, name=f"{self._feed.name}{work.__name__}", daemon=True).start()

    def close(self) -> None:
        """Take no more, and give back what has not begun."""
        self._feed.close()
        with self._guard:
            self._closing.set()
            self._custody.close()
            self._notify()

    def look(self) -> None:
        """Take what there is now, though the taker may be blocked: somebody has died and left something."""
        with self._guard:
            self._is_to_look = True
            self._due.notify()

    def give_up(self) -> int:
        """Give back what still runs; returns how much that is."""
        with self._guard:
            count = self._custody.give_up()
            self._notify()
        return count

    def leave(self) -> None:
        """Give back what the last take has brought too late for anybody to know of it: this process ends."""
        if jobs := self._feed.recover([]):
            self._feed.step([Done(job, ran=False) for job in jobs], 0, 0, False)

    @property
    def is_empty(self) -> bool:
        """Whether the end of everything is recorded."""
        with self._guard:
            return self._custody.is_empty

    def _ended(self, done: Done) -> None:
        with self._guard:
            self.jobs += 1
            self._custody.ended(done)
            self._notify()

    def _notify(self) -> None:
        """Wake the threads for which there is something to do."""
        outbox = len(self._custody.outbox)
        if outbox == 1 or self._is_worth_it():
            self._due.notify()
        if self._is_hungry():
            self._room.notify()

    def _is_hungry(self) -> bool:
        return self._closing.is_set() or self._custody.free >= self._custody.batch

    def _is_worth_it(self) -> bool:
        """Whether the finisher should go at once: not for what the taker will carry along."""
        is_lot = self._custody.is_idle or len(self._custody.outbox) >= self._custody.batch
        return self._is_to_look or self._closing.is_set() or (self._is_blocked and is_lot)

    def _take(self) -> None:
        is_busy = True  # whether the last take brought something: then ends go with the next one, else they may wait
        while self._gets_hungry():
            is_busy = self._recover() if self._is_unsure else self._exchange(is_busy)

    def _gets_hungry(self) -> bool:
        """Wait until there is room; returns False when nothing is to be taken any more."""
        with self._guard:
            self._room.wait_for(self._is_hungry)
            return not self._closing.is_set()

    def _exchange(self, is_busy: bool) -> bool:
        """Record and take; returns whether that brought jobs."""
        done, free = self._order(is_busy)
        try:
            jobs = self._feed.step(done, free, 0 if done else BLOCK, self._weather.is_settled(self._lease))
        except Exception as error:  # whatever it is: the thread must outlive it
            self._is_unsure = True
            self._failed(done, error)
            return True
        finally:
            self._is_blocked = False
        self._succeeded(done, jobs)
        time.sleep(0)  # those who run them may go first
        return bool(jobs)

    def _order(self, is_busy: bool) -> tuple[list[Done], int]:
        """Return the ends to carry along, and how many jobs to ask for."""
        with self._guard:
            custody = self._custody
            free = custody.free
            without = free - len(custody.outbox)
            done, free = (custody.collect(), free) if is_busy or without < custody.batch else ([], without)
            self._is_blocked = not done
            self._notify()
            return done, free

    def _recover(self) -> bool:
        """Look for what a lost reply has brought."""
        try:
            with self._looking:
                jobs = self._feed.recover(self._holding())
                self._succeeded([], jobs)
        except Exception as error:
            self._failed([], error)
        else:
            self._is_unsure = False
        return True

    def _holding(self) -> Sequence[Job]:
        with self._guard:
            return self._custody.held

    def _finish(self) -> None:
        while True:
            with self._guard:
                self._due.wait_for(lambda: self._custody.outbox or self._is_to_look, self._tends_at - time.monotonic())
                if not self._is_to_look:
                    self._due.wait_for(self._is_worth_it, LINGER)
                free = max(0, self._custody.free) if self._is_to_look else 0
                self._is_to_look = False
                done = self._custody.collect()
            if done or free:
                self._record(done, free)
            if time.monotonic() >= self._tends_at:
                self._tend()

    def _record(self, done: list[Done], free: int) -> None:
        try:
            with self._looking if free else nullcontext():
                jobs = self._feed.step(done, free, 0, self._weather.is_settled(self._lease))
                self._succeeded(done, jobs)
        except Exception as error:
            self._is_unsure |= free > 0
            self._failed(done, error)

    def _tend(self) -> None:
        self._tends_at = time.monotonic() + self._lease / 3 * random.uniform(0.8, 1.2)
        try:
            self._feed.tend()
        except Exception as error:
            self._chores.failed(error)
        else:
            self._chores.succeeded()

    def _succeeded(self, done: list[Done], jobs: Sequence[Job]) -> None:
        self._weather.succeeded()
        with self._guard:
            self._custody.recorded(done)
            self._custody.accept(jobs)
            self._notify()
            is_empty = self._custody.is_empty
        if is_empty:
            self._emptied()

    def _failed(self, done: list[Done], error: Exception) -> None:
        """Keep *done*, and wait."""
        pause = self._weather.failed(error)
        with self._guard:
            self._custody.put_back(done)
            self._notify()
        if self._closing.wait(pause):
            time.sleep(min(pause, HURRY))
