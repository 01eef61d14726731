"""For what several servers agree on only after a while."""

import time
from collections.abc import Callable
from typing import TypeVar

from django_redis_patterns.testing.servers import PATIENCE, ServerError

T = TypeVar("T")


def until(condition: Callable[[], T | None], otherwise: str) -> T:
    """Return *condition*'s first true value. Raises `ServerError` of the text *otherwise* after three `PATIENCE`."""
    end = time.monotonic() + 3 * PATIENCE
    while not (value := condition()):
        if time.monotonic() > end:
            raise ServerError(otherwise)
        time.sleep(0.05)
    return value
