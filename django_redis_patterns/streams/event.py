"""What a handler is given."""

from datetime import datetime
from typing import Any

from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.exceptions import EventLost

from .ids import time_of


class Event:
    """One event: its ``id``, the ``data`` that was appended, the ``attempt`` (1, and one more after each failure).

    A handler may be tested with one of your own: ``send_receipt(Event("1-0", {"order_id": 7}))``.
    """

    __slots__ = ("_claim", "attempt", "connection", "data", "id")

    def __init__(self, id: str, data: Any, attempt: int = 1, *, connection: str = "", claim: Any = None) -> None:
        self.id, self.data, self.attempt = id, data, attempt
        self.connection, self._claim = connection, claim

    def __repr__(self) -> str:
        return f"<Event {self.id}, attempt {self.attempt}>"

    @property
    def at(self) -> datetime:
        """When it was appended, by the clock of Redis."""
        return time_of(self.id)

    async def _heartbeat(self, io: IO) -> None:
        """Make sure that the event is still this consumer's, before something that must not be done by two. One trip.

        Raises `EventLost`: this process was away for longer than its lease. A handler that takes long needs none to
        keep its event: its supervisor holds the lease.
        """
        if self._claim is None:
            return
        log, group, consumer, deliveries = self._claim
        rows: Any = await io.redis.xpending_range(log, group, self.id, self.id, 1, consumer)
        if not rows or rows[0]["times_delivered"] != deliveries:
            raise EventLost(self.id)

    heartbeat, aheartbeat = both(_heartbeat)
