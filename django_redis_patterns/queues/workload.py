"""What a worker works at: the queues of its children, and their leases."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django_redis_patterns.conf import settings
from django_redis_patterns.core.connections import client
from django_redis_patterns.core.operations import batch
from django_redis_patterns.core.worker.feed import Feed
from django_redis_patterns.core.worker.lease import hold

from .feed import QueueFeed, QueueJob
from .keys import Place
from .moves import Claim, release
from .solitude import Solitude


@dataclass(frozen=True)
class Post:
    """A queue, how many of its jobs a child runs at once, and what makes a job of a claim (and the child's name)."""

    place: Place
    concurrency: int
    job_of: Callable[[Claim, str], QueueJob]
    chores: Callable[[], None]


class QueueWorkload:
    """A workload of the runtime. Each queue has its own leases, beside it, and its own threads."""

    def __init__(self, posts: Sequence[Post]) -> None:
        self._posts = posts

    @property
    def lease(self) -> float:
        """Seconds."""
        return settings().queues.lease

    @property
    def banner(self) -> Sequence[str]:
        """One line a queue."""
        return [f"{post.place.name}  {post.concurrency} at once" for post in self._posts]

    def hold(self, names: Sequence[str], seconds: float) -> Sequence[str]:
        """Prolong the leases of *names*; returns those that had run out."""
        with batch() as together:
            lapsed = [
                together(hold, post.place.connection, post.place.keys.live, names, seconds) for post in self._posts
            ]
        return sorted({name for one in lapsed for name in one.value})

    def release(self, names: Sequence[str]) -> None:
        """Let others take over what *names* had."""
        with batch() as together:
            for post in self._posts:
                together(release, post.place, names)

    def known(self) -> Sequence[str]:
        """Return who has a lease."""
        live: list[Any] = [client(post.place.connection).zrange(post.place.keys.live, 0, -1) for post in self._posts]
        return sorted({name.decode() for names in live for name in names})

    def feeds(self, name: str) -> Sequence[Feed]:
        """Return the feeds of the child *name*."""
        solitude = Solitude()
        return [
            QueueFeed(post.place, name, post.concurrency, post.job_of, solitude, post.chores) for post in self._posts
        ]
