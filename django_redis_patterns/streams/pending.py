"""What a group was given and has not acknowledged."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .lag import WAITING


@dataclass(frozen=True, kw_only=True)
class PendingEvent:
    """One event. ``consumer`` has it; None: nobody does, it waits until it is ``due``, or until its turn in its order.

    ``deliveries``: how often it was given to one; ``idle``: seconds since then.
    """

    id: str
    consumer: str | None
    deliveries: int
    idle: float
    due: datetime | None


def pending_of(row: Mapping[str, Any], due: float | None) -> PendingEvent:
    """Return what redis-py tells of one, and when it is due in milliseconds."""
    return PendingEvent(
        id=row["message_id"].decode(),
        consumer=None if row["consumer"] == WAITING else row["consumer"].decode(),
        deliveries=row["times_delivered"],
        idle=row["time_since_delivered"] / 1000,
        due=None if due is None else datetime.fromtimestamp(due / 1000, UTC),
    )
