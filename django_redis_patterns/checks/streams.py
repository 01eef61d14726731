"""What the handlers of streams are declared with."""

from typing import Any

from django.core import checks

from django_redis_patterns.conf import settings
from django_redis_patterns.exceptions import InvalidConfiguration
from django_redis_patterns.streams.registry import consumers

Messages = list[checks.CheckMessage]


def check_consumers(**_: Any) -> Messages:
    """Report handlers on a connection that is not there."""
    try:
        known = settings().connections
    except InvalidConfiguration:  # `ground.check_configuration` says why
        return []
    return [
        checks.Error(
            f"{one.path} consumes {one.name} on the connection {one.stream.connection!r}, which is not there.",
            hint=f"REDIS_PATTERNS CONNECTIONS has: {', '.join(sorted(known))}.",
            id="redis_patterns.E601",
        )
        for one in consumers()
        if one.stream.connection not in known
    ]


def check_growth(**_: Any) -> Messages:
    """Warn of logs of which nothing is ever dropped."""
    try:
        consumed = {one.stream.name: one.stream for one in consumers()}.values()
        growing = [one for one in consumed if one.retention is None and one.maxlen is None]
    except InvalidConfiguration:
        return []
    return [
        checks.Warning(
            f"The stream {stream.name!r} keeps everything: it grows until the memory of Redis is full.",
            hint=f'Stream("{stream.name}", retention=timedelta(days=30)), or RETENTION of STREAMS in REDIS_PATTERNS.',
            id="redis_patterns.W601",
        )
        for stream in growing
    ]
