"""What a handler is given."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.exceptions import EventLost

from .ids import time_of

if TYPE_CHECKING:
    from .seat import Seat


class Event:
    """One event: its ``id``, the ``data`` that was appended, the ``attempt`` (1, and one more after each failure).

    A handler may be tested with one of your own: ``send_receipt(Event("1-0", {"order_id": 7}))``.
    """

    __slots__ = ("_deliveries", "_seat", "attempt", "data", "id")

    def __init__(
        self, id: str, data: Any, attempt: int = 1, *, seat: "Seat | None" = None, deliveries: int = 1
    ) -> None:
        self.id, self.data, self.attempt = id, data, attempt
        self._seat, self._deliveries = seat, deliveries

    def __repr__(self) -> str:
        return f"<Event {self.id}, attempt {self.attempt}>"

    @property
    def connection(self) -> str:
        """The alias of the connection that it came by."""
        return self._seat.connection if self._seat else "default"

    @property
    def at(self) -> datetime:
        """When it was appended, by the clock of Redis."""
        return time_of(self.id)

    async def _heartbeat(self, io: IO) -> None:
        """Make sure that the event is still this consumer's, before something that must not be done by two. One trip.

        Raises `EventLost`: this process was away for longer than its lease. A handler that takes long needs none to
        keep its event: its supervisor holds the lease.
        """
        if self._seat is not None and not await self._seat.has(io, self.id, self._deliveries):
            raise EventLost(self.id)

    heartbeat, aheartbeat = both(_heartbeat)
