"""Where the handlers of one feed run: its threads, and its places on the event loop."""

from collections.abc import Callable, Iterable

from .feed import Done, Feed, Job
from .loop import Places
from .threads import Threads


class Lanes:
    """At most ``feed.concurrency`` of each; *ended* is told of each end, by whoever ran the job."""

    def __init__(self, feed: Feed, ended: Callable[[Done], None]) -> None:
        self._threads = Threads(feed.name, feed.concurrency, ended)
        self._places = Places(feed.concurrency, ended)

    def put(self, jobs: Iterable[Job]) -> None:
        """Run *jobs* as soon as there is room. Called by one thread at a time."""
        sync: list[Job] = []
        on_loop: list[Job] = []
        for job in jobs:
            (on_loop if job.is_async else sync).append(job)
        if sync:
            self._threads.put(sync)
        if on_loop:
            self._places.put(on_loop)

    def withdraw(self) -> list[Job]:
        """Return the jobs that have not begun, which they will not."""
        return self._threads.withdraw() + self._places.withdraw()
