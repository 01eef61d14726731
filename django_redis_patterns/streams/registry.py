"""Which streams and handlers this site has: those that its ``events.py`` declare."""

from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from .consumer import Consumer
    from .stream import Stream

_consumers: dict[tuple[str, str], "Consumer"] = {}
_streams: WeakSet["Stream"] = WeakSet()


def note(stream: "Stream") -> None:
    """Keep in mind that this program has *stream*, as long as it has it."""
    _streams.add(stream)


def streams() -> list["Stream"]:
    """Return the streams of this program, one of each name, by name; those that have handlers are preferred."""
    named = {stream.name: stream for stream in _streams} | {one.stream.name: one.stream for one in consumers()}
    return [named[name] for name in sorted(named)]


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
