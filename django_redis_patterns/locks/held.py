"""What one has while one holds a lock."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async

from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.exceptions import LockError, LockLost, LockUnavailable, RedisUnavailable

from . import fencing
from .quorum import Quorum
from .redlock import leave_majority
from .turnstile import left

logger = logging.getLogger("django_redis_patterns.locks")


class Held:
    """A lock that is held. ``fence`` is a number that rises with every grant of the lock, whatever happens to Redis.

    It is renewed in the background until it is released. Whether it is still ours is known without asking Redis.
    """

    def __init__(self, name: str, quorum: Quorum) -> None:
        self.name, self.fence, self.quorum = name, quorum.fence, quorum
        self.connection = quorum.leases[0].place.connection
        self.on_end: Callable[[Held], None] = lambda held: None
        self._is_released = self._was_lost = False
        self._guard = threading.Lock()  # two threads may release it at once

    def __repr__(self) -> str:
        return f"<Held {self.name!r} fence={self.fence} remaining={self.remaining:.1f}>"

    @property
    def remaining(self) -> float:
        """Seconds for which it is ours even if nothing is renewed; 0 when it is lost or released."""
        return 0.0 if self._is_released else self.quorum.remaining

    @property
    def lost(self) -> bool:
        """Whether it stopped being ours before we released it."""
        return self._was_lost if self._is_released else bool(self.quorum.loss)

    def check(self) -> None:
        """Raise `LockLost` unless it is ours now: before a step that must not be done by two."""
        if reason := "it was released" if self._is_released else self.quorum.loss:
            raise LockLost(self.name, reason)

    async def _release(self, io: IO) -> None:
        """Give it back; the next in the queue has it at once. From any thread or task of this process.

        Raises `LockLost` when it was not ours any more, `LockUnavailable` when Redis is away (it is given back as
        soon as Redis returns, or free when its time is up), `LockError` when it was released before.
        """
        self._end()
        try:
            was_ours = await self._leave(io)
        except BaseException as error:
            self.quorum.give_back()
            if isinstance(error, RedisUnavailable):
                raise LockUnavailable(error.alias, error.__cause__ or error, ambiguous=error.ambiguous) from error
            raise
        if not was_ours:
            raise LockLost(self.name, self.quorum.loss or "its time was up, or the data was lost")

    async def _leave(self, io: IO) -> bool:
        leases = self.quorum.leases
        if self.quorum.needed < len(leases):
            return await leave_majority(io, self.quorum)
        if len(leases) == 1:
            return await left(io, leases[0].place, leases[0].card, leases[0].fence)
        return all(await io.gather(*(left(io, lease.place, lease.card, lease.fence) for lease in leases)))

    def save(self, obj: Any, **options: Any) -> None:
        """Save a model instance if nobody has written its row with a newer fence. Takes what ``obj.save`` takes.

        Raises `StaleFence` when somebody has, or the row is gone; nothing is written then. `LockLost` when we know
        already that the lock is lost. The model has a field ``fence``, as `FencedModel` has.
        """
        self.check()
        fencing.save(obj, self.fence, **options)

    def refresh(self, obj: Any) -> None:
        """Read a model instance again, so that no older fence can write its row after what was read.

        Raises as `save` does.
        """
        self.check()
        fencing.refresh(obj, self.fence)

    async def arefresh(self, obj: Any) -> None:
        """Do the same from a coroutine, off the event loop."""
        await sync_to_async(self.refresh)(obj)

    async def asave(self, obj: Any, **options: Any) -> None:
        """Do the same from a coroutine, off the event loop as all of Django's writing."""
        await sync_to_async(self.save)(obj, **options)

    release, arelease = both(_release)

    def leave_behind(self, error: RedisUnavailable) -> None:
        """Say that it could not be released: the work is done, and it will be free in time."""
        logger.warning("The lock %r could not be released and is given back later: %s", self.name, error)

    def _end(self) -> None:
        if self.quorum.leases[0].is_foreign:
            raise LockLost(self.name, self.quorum.loss)
        was_lost = self.lost
        with self._guard:
            if self._is_released:
                raise LockError(f"The lock {self.name!r} was released before.")
            self._was_lost, self._is_released = was_lost, True
        self.quorum.drop()
        self.on_end(self)
