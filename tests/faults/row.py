"""What is shown of one operation under faults."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

Call = tuple[Any, ...]  # a sync face and its arguments
Look = Callable[[redis.Redis], Any]


@dataclass
class Row:
    """One operation: what is there before it, the call, and what tells how often it took effect.

    ``outcomes``: what *look* may find when the call failed, the untouched state first. A call that returned has
    left the last of them.
    """

    prepare: Callable[[], Call]
    look: Look = lambda redis: None
    outcomes: tuple[Any, ...] = (None,)
    reads: bool = False
    waits: bool = False  # which a batch cannot
    goes_on: bool = False  # it returns without Redis, and may then have had no effect there
