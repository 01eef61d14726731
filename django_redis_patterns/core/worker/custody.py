"""What a child has of one feed: every job from its take until Redis has recorded its end."""

from collections.abc import Sequence

from .appetite import Appetite
from .feed import Done, Feed, Job
from .lanes import Lanes
from .order import Order


class Custody:
    """Books of one feed. Not for several threads: its feeder guards it, and *lanes* never call back from `put`."""

    def __init__(self, feed: Feed, lanes: Lanes) -> None:
        self._lanes = lanes
        self._concurrency = feed.concurrency
        self._appetite = Appetite(feed.concurrency, feed.ahead)
        self._order = Order()
        self._held: dict[int, Job] = {}  # taken, and not recorded
        self._open: set[int] = set()  # those of them that run, or wait for it
        self._is_closing = False
        self.outbox: list[Done] = []  # ended, and on their way to nobody yet

    @property
    def held(self) -> Sequence[Job]:
        """Everything."""
        return list(self._held.values())

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left, unrecorded ends included."""
        return not self._held

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs, or waits for it."""
        return not self._open

    @property
    def free(self) -> int:
        """How many jobs to take now. Ends that Redis has not recorded count as jobs, so an outage fills no memory."""
        return self._concurrency + self._appetite.ahead - len(self._held) + len(self.outbox)

    @property
    def batch(self) -> int:
        """How many jobs are worth a trip: any, when they are long."""
        return max(1, self._appetite.ahead // 2)

    def accept(self, jobs: Sequence[Job]) -> None:
        """Let *jobs* run that were just taken."""
        taken = {id(job): job for job in jobs}
        self._held |= taken
        if self._is_closing:
            self.outbox += [Done(job, ran=False) for job in jobs]
        else:
            self._open |= taken.keys()
            self._lanes.put(self._order.admit(jobs))

    def ended(self, done: Done) -> None:
        """Note the end of a job; that of one which was given up meanwhile counts no more."""
        if id(done.job) not in self._open:
            return
        self._open.remove(id(done.job))
        self.outbox.append(done)
        self._appetite.learn(done.seconds)
        if done.job.key is not None:
            self._follow(done)

    def _follow(self, done: Done) -> None:
        """See to the jobs behind one that has ended."""
        after, refused = self._order.ended(done)
        self._open -= {id(job) for job in refused}
        self.outbox += [Done(job, ran=False) for job in refused]
        self._lanes.put(after)

    def collect(self) -> list[Done]:
        """Hand over the ends that are to be recorded."""
        done, self.outbox = self.outbox, []
        return done

    def put_back(self, done: list[Done]) -> None:
        """Take them back: nobody knows whether they are recorded."""
        self.outbox[:0] = done

    def recorded(self, done: list[Done]) -> None:
        """Forget them."""
        for one in done:
            del self._held[id(one.job)]

    def close(self) -> None:
        """Let nothing begin any more, and give back what has not."""
        self._is_closing = True
        self._order.close()
        for job in self._lanes.withdraw():
            self.ended(Done(job, ran=False))

    def give_up(self) -> int:
        """Give back what still runs; returns how much that is."""
        running = [job for key, job in self._held.items() if key in self._open]
        for job in running:
            self.ended(Done(job, ran=False))
        return len(running)
