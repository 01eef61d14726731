"""The JSON text that travels on Redis and, unchanged, to the browser: built once, by whoever publishes.

An event is ``{"kind": "event", "topic": "orders.7", "type": "created", "data": {...}}``. Readers ignore fields that
they do not know; ``epoch`` and ``offset`` are reserved.
"""

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from django_redis_patterns.exceptions import SerializationError

#: The most bytes of one event. What is larger is better fetched by the page that hears of it.
LARGEST = 64 * 1024


def frame(kind: str, **fields: Any) -> str:
    """Return a frame of *kind* as JSON text. Dates, decimals and UUIDs become text.

    Raises `SerializationError` for what JSON cannot hold, NaN and infinity included.
    """
    content = {"kind": kind, **fields}
    try:
        text = json.dumps(content, cls=DjangoJSONEncoder, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise SerializationError(f"This {kind} cannot be sent as JSON: {error}") from error
    return text


def event(topic: str, type: str, data: Any = None) -> str:
    """Return the event *type* of *topic*. Raises `SerializationError` when it is over `LARGEST` bytes."""
    if not type:
        raise ValueError("An event needs a type, such as 'order.created'.")
    text = frame("event", topic=topic, type=type, data=data)
    if (size := len(text.encode())) > LARGEST:
        raise SerializationError(
            f"An event of {size} bytes is over the limit of {LARGEST}: send an id, and let the page fetch the rest."
        )
    return text
