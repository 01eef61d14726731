"""Which streams and handlers this site has: those that its ``events.py`` declare."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .consumer import Consumer

_consumers: dict[tuple[str, str], "Consumer"] = {}


def register(consumer: "Consumer") -> None:
    """Keep *consumer*. Raises ValueError when another handler has its group; a module that is loaded anew may."""
    place = (consumer.stream.name, consumer.group)
    before = _consumers.get(place)
    if before is not None and before.path != consumer.path:
        raise ValueError(f"The group {consumer.name!r} has two handlers, {before.path} and {consumer.path}.")
    _consumers[place] = consumer


def consumers() -> list["Consumer"]:
    """Return all that are declared, by name."""
    return [_consumers[place] for place in sorted(_consumers)]
