"""The supervisor: keeps children alive, and their leases, whatever they are busy with. It runs no handler itself."""

import logging
import select
import signal
import sys
import time
from collections.abc import Callable

from .feed import Workload
from .identity import is_surely_dead
from .lifeline import Lifeline
from .options import Options
from .posts import Post
from .signals import Signals
from .weather import Weather

#: Seconds beyond its grace after which a child that does not end is killed, and between two looks around.
TOO_LATE, LOOK = 8.0, 1.0

logger = logging.getLogger("django_redis_patterns.worker")


class Supervisor:
    """Works until it is told to stop. A first signal drains, a second one gives back at once.

    ``SIGHUP`` drains too, and then ``begins_anew`` is set. *line* is cut when who started it is gone.
    """

    def __init__(self, workload: Workload, options: Options, line: Lifeline | None = None) -> None:
        self._workload, self._options, self._line = workload, options, line
        self._posts = [Post() for _ in range(options.processes)]
        self._holding, self._releasing = Weather("Holding leases"), Weather("Releasing leases")
        self._dead: dict[str, float] = {}  # children whose leases are to be ended, and until when that is worth a try
        self._has_looked_back = False
        self._holds_at = 0.0
        self._kills_at: float | None = None
        self._is_detached = line is None and not sys.stdin.isatty()
        self.begins_anew = False

    def run(self) -> None:
        """Work until the last child is gone."""
        with Signals(signal.SIGCHLD) as signals:
            while not self._kills_at or any(post.is_filled for post in self._posts):
                for number in signals.read():
                    self._obey(number)
                self._reap()
                self._fill()
                self._look_after_leases()
                self._wait(signals)
            self._look_after_leases()

    def _obey(self, number: int) -> None:
        if number == signal.SIGCHLD:
            return
        # A terminal that hangs up means the end; without one it is a word to begin anew.
        self.begins_anew = number == signal.SIGHUP and self._is_detached
        self._stop(at_once=self._kills_at is not None and number != signal.SIGHUP)

    def _stop(self, at_once: bool = False) -> None:
        logger.info("Giving back what has not ended." if at_once else "Finishing what has begun.")
        self._kills_at = time.monotonic() + TOO_LATE + (0.0 if at_once else self._options.grace)
        for post in self._posts:
            post.say("leave" if at_once else "drain")

    def _reap(self) -> None:
        """Find the dead: what they had may be taken at once."""
        for post in self._posts:
            if self._kills_at and time.monotonic() >= self._kills_at:
                post.kill()
            if (code := post.reap()) is not None:
                self._dead[post.name] = time.monotonic() + self._workload.lease
                if code:
                    self._tell_of(post, code)

    def _tell_of(self, post: Post, code: int) -> None:
        fate = f"ended with code {code}" if code > 0 else f"was killed by {signal.Signals(-code).name}"
        again = f"; the next one starts in {post.pause:.1f} s" if not self._kills_at else ""
        logger.warning("%s %s%s.", post.name, fate, again)

    def _fill(self) -> None:
        for post in self._posts:
            if not self._kills_at and not post.is_filled and post.starts_at <= time.monotonic():
                try:
                    post.fill()
                except OSError as error:  # too many processes, or no memory
                    logger.error("No child could be started: %s", error)
                    post.starts_at = time.monotonic() + LOOK
                self._holds_at = 0.0

    def _look_after_leases(self) -> None:
        self._attempt(self._release, self._releasing)
        if time.monotonic() >= self._holds_at:
            pause = self._attempt(self._hold, self._holding)
            self._holds_at = time.monotonic() + min(pause, self._workload.lease / 3)

    def _attempt(self, call: Callable[[], None], weather: Weather) -> float:
        """Call, and return how long to wait before the next time; whatever happens: children need a supervisor."""
        try:
            call()
        except Exception as error:
            return weather.failed(error)
        weather.succeeded()
        return float("inf")

    def _release(self) -> None:
        if not self._has_looked_back:
            dead = filter(is_surely_dead, self._workload.known())
            self._dead |= dict.fromkeys(dead, time.monotonic() + self._workload.lease)
            self._has_looked_back = True
        self._dead = {name: until for name, until in self._dead.items() if until > time.monotonic()}
        if self._dead:
            self._workload.release(list(self._dead))
            self._dead.clear()
            for post in self._posts:
                post.say("look")

    def _hold(self) -> None:
        living = [post for post in self._posts if post.is_filled]
        if living and (lapsed := self._workload.hold([post.name for post in living], self._workload.lease)):
            logger.warning(
                "The leases of %s had run out: this process was held up, or Redis away, for more than %g s. "
                "What they are at may be done by others as well.",
                ", ".join(lapsed),
                self._workload.lease,
            )
        for post in living:
            post.go()

    def _wait(self, signals: Signals) -> None:
        """Wait until something happens, or something is due."""
        sources: list[Signals | Lifeline] = [signals]
        if self._line and not self._line.is_cut:
            sources.append(self._line)
        if self._line in select.select(sources, [], [], self._seconds())[0]:
            self._line.hear()
            if self._line.is_cut and not self._kills_at:
                self._stop()

    def _seconds(self) -> float:
        empty = [] if self._kills_at else [post.starts_at for post in self._posts if not post.is_filled]
        return max(0.0, min(LOOK, min([self._holds_at, *empty]) - time.monotonic()))
