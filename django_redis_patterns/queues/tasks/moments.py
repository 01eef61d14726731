"""Moments as tasks have them, and as they are stored: whole milliseconds since 1970, aware if ``USE_TZ`` says so.

What is seen while a task runs is rounded as well, down: so it is what is stored, and the order of moments stays.
"""

import time
from datetime import UTC, datetime, timedelta

from django.conf import settings

from django_redis_patterns.queues.ids import made_at

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND, MILLISECOND = timedelta(microseconds=1), timedelta(milliseconds=1)


def now(*not_before: datetime | None) -> datetime:
    """Return the moment that it is, or the last of *not_before*: clocks of two machines may differ."""
    return latest(moment(time.time_ns() // 1_000_000), *not_before)


def latest(first: datetime, *others: datetime | None) -> datetime:
    """Return the last of these moments."""
    return max([first, *(other for other in others if other is not None)])


def moment(milliseconds: int) -> datetime:
    """Return a moment that was stored."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC if settings.USE_TZ else None)


def milliseconds(moment: datetime) -> int:
    """Return a moment as it is stored."""
    return (moment.astimezone(UTC) - EPOCH) // MILLISECOND


def exact(microseconds: int) -> datetime:
    """Return a moment that somebody else has chosen, and that was stored."""
    aware = EPOCH + timedelta(microseconds=microseconds)
    return aware if settings.USE_TZ else aware.astimezone().replace(tzinfo=None)


def microseconds(moment: datetime) -> int:
    """Return one as it is stored."""
    return (moment.astimezone(UTC) - EPOCH) // MICROSECOND


def enqueued_at(id: str) -> datetime | None:
    """Return when a task was enqueued, which its id tells."""
    made = made_at(id)
    return None if made is None else moment(int(made * 1000))
