"""The wire format of RESP 2, as far as a subscriber needs it, without any reading or writing."""

from typing import Any

from redis.exceptions import AuthenticationError, ConnectionError, NoPermissionError, RedisError

_ERRORS = {"NOAUTH": AuthenticationError, "WRONGPASS": AuthenticationError, "NOPERM": NoPermissionError}


class ErrorReply(Exception):
    """What Redis answered instead; ``code`` is its first word."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = text.partition(" ")[0]

    def as_redis_error(self) -> RedisError:
        """Return redis-py's error for this one, on a link that is no use."""
        return _ERRORS.get(self.code, ConnectionError)(str(self))


class _IncompleteError(Exception):
    pass


def pack(*words: bytes) -> bytes:
    """Return one command."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class Replies:
    """Cuts what is received into replies: bytes, int, None, a list of these, or an `ErrorReply` (not raised)."""

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0

    def feed(self, data: bytes) -> list[Any]:
        """Take *data*, return the replies that are complete now."""
        self._buffer += data
        self._at = start = 0
        replies = []
        try:
            while start < len(self._buffer):
                replies.append(self._reply())
                start = self._at
        except _IncompleteError:
            pass
        self._buffer = self._buffer[start:]
        return replies

    def _reply(self) -> Any:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            return self._bulk(int(rest))
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        if kind == b":":
            return int(rest)
        if kind == b"-":
            return ErrorReply(rest.decode("utf-8", "replace"))
        if kind == b"+":
            return rest
        raise ConnectionError(f"{line[:20]!r} is no reply of Redis.")

    def _line(self) -> bytes:
        end = self._buffer.find(b"\r\n", self._at)
        if end < 0:
            raise _IncompleteError
        line = self._buffer[self._at : end]
        self._at = end + 2
        return line

    def _bulk(self, length: int) -> bytes | None:
        if length < 0:
            return None
        start, end = self._at, self._at + length
        if end + 2 > len(self._buffer):
            raise _IncompleteError
        self._at = end + 2
        return self._buffer[start:end]
