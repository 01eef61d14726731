"""Streams: an event log in Redis that groups of consumers read, each at its own pace, and lose nothing of.

    orders = Stream("orders", retention=timedelta(days=30))
    orders.append({"type": "paid", "order_id": 7})

    @orders.consumer(group="mailers", max_attempts=5)
    def send_receipt(event): ...                                    # manage.py redis consume

Append: XADD. Read: XRANGE, XREAD. Consume: one script to acknowledge and one to take, in one trip a batch.
Promises: each group handles every event at least once, and its end is recorded once; what a dead consumer had is taken
over when its lease is over, and nothing from a living one; what fails waits for its retry and holds up nobody, or only
the events of its own `ordered_by`; nothing is trimmed that a living group has not acknowledged.
"""

from django_redis_patterns.core.worker.backoff import Backoff, exponential

from .dead_letters import DeadLetter, DeadLetters
from .entries import Entry
from .event import Event
from .history import History
from .lag import ConsumerLag, Lag
from .pending import PendingEvent
from .stream import Stream

__all__ = [
    "Backoff",
    "ConsumerLag",
    "DeadLetter",
    "DeadLetters",
    "Entry",
    "Event",
    "History",
    "Lag",
    "PendingEvent",
    "Stream",
    "exponential",
]
