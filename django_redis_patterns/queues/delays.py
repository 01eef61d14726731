"""How long a job that failed waits, when somebody else's function decides it."""

import logging
from collections.abc import Callable

from django_redis_patterns.core.worker.backoff import exponential

from .durations import Duration, seconds

logger = logging.getLogger("django_redis_patterns.queues")
#: Seconds between attempts where nobody says it.
BACKOFF = exponential(2, max=600)


def delay_after(failures: int, backoff: Callable[[], Duration | None], whose: str) -> float | None:
    """Return the seconds that *backoff* chooses, None to give up.

    One that raises, or chooses what is no duration, is no reason to lose a job: it is logged, and `BACKOFF` decides.
    """
    try:
        chosen = backoff()
        return None if chosen is None else seconds(chosen, "What a backoff returns")
    except Exception:
        logger.exception("The backoff of %s failed.", whose)
        return BACKOFF.after(failures)
