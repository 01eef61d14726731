"""The frames that a client sends, read with suspicion, and how many of them are taken."""

import json
import time
from typing import Any, NoReturn

LONGEST_TOPIC = 200


class BadFrame(ValueError):
    """A frame that cannot be used. The message is told to the client."""


def size(text: str | None, data: bytes | None) -> int:
    """Return the bytes of a frame, which is either of the two."""
    if text is None:
        return len(data or b"")
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def parse(text: str | None) -> dict[str, Any]:
    """Return the JSON object of a text frame. Raises `BadFrame`."""
    if text is None:
        raise BadFrame("not text")
    try:
        frame = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadFrame("not JSON") from None
    if not isinstance(frame, dict) or not isinstance(frame.get("kind"), str):
        raise BadFrame('not an object with a "kind"')
    return frame


def topic_of(frame: dict[str, Any]) -> str:
    """Return the topic that *frame* names. Raises `BadFrame`."""
    topic = frame.get("topic")
    if not isinstance(topic, str) or not 0 < len(topic) <= LONGEST_TOPIC or not topic.isprintable():
        raise BadFrame(f'"topic" must be text of 1 to {LONGEST_TOPIC} characters that can be read')
    return topic


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


class TokenBucket:
    """Lets *burst* pass at once and *rate* a second after that."""

    __slots__ = ("_burst", "_last", "_left", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._last = burst, time.monotonic()

    def take(self) -> bool:
        """Take a token; False when there is none."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._last) * self._rate)
        self._last = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
