"""For what several servers agree on only after a while."""

import time
from collections.abc import Callable

from django_redis_patterns.testing.servers import PATIENCE, ServerError


def until(condition: Callable[[], object], otherwise: str) -> None:
    """Return when *condition* is true. Raises `ServerError` with the text *otherwise* after three times `PATIENCE`."""
    end = time.monotonic() + 3 * PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise ServerError(otherwise)
        time.sleep(0.05)
