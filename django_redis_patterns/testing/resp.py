"""Follows a stream of RESP without holding it up: which commands pass, and where replies begin."""

from collections.abc import Iterator

LONGEST_LINE = 64 * 1024
PUSH = ord(">")


class NotRESP(ValueError):
    """The stream is something else: TLS, or the copy of a database."""


class _Stream:
    """Walks through messages, however they are cut into segments."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._body = 0  # bytes to come of a bulk string and its line end
        self._parts = 0  # to come of this message; 0 between two

    def _walk(self, data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield each piece as *(where it begins in data, line, body)*: a line when it is whole, a body as it comes.

        A message that begins is told at once, with neither line nor body. Raises `NotRESP`.
        """
        at = 0
        while at < len(data):
            if not (self._parts or self._body or self._line):
                self._parts = 1
                yield at, b"", b""
            if self._body:
                end = min(at + self._body, len(data))
                self._body -= end - at
                yield at, b"", data[at:end]
            else:
                end = data.find(b"\n", at) + 1 or len(data)
                yield from self._read_line(at, data[at:end])
            at = end

    def _read_line(self, at: int, data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
        self._line += data
        if not data.endswith(b"\n"):
            if len(self._line) > LONGEST_LINE:
                raise NotRESP
            return
        line = bytes(self._line)
        self._line.clear()
        self._open(line)
        yield at, line, b""

    def _open(self, line: bytes) -> None:
        """Count what the line announces."""
        head, parts = line[:1], 1
        if head in b"*~>%|$=!":
            try:
                count = max(int(line[1:]), -1)
            except ValueError:
                raise NotRESP from None
            if head in b"$=!":
                self._body = count + 2 if count >= 0 else 0
            else:
                parts = 1 - max(count, 0) * (2 if head in b"%|" else 1)
            if head == b"|":  # precedes what it describes
                parts -= 1
        self._parts -= parts


class Requests(_Stream):
    """What a client says."""

    def __init__(self) -> None:
        super().__init__()
        self._name: bytearray | None = None

    def names(self, data: bytes) -> Iterator[str]:
        """Yield the names, in capitals, of the commands whose name is whole with *data*. Raises `NotRESP`."""
        for at, line, body in self._walk(data):
            if line:
                yield from self._begin(line)
            elif body and self._name is not None:
                self._name += body
                if not self._body:
                    yield self._name.decode(errors="replace").strip().upper()
                    self._name = None
            elif not body and not data[at : at + 1].isalpha() and data[at : at + 1] not in b"*\r\n":
                raise NotRESP

    def _begin(self, line: bytes) -> Iterator[str]:
        if line.startswith(b"*"):
            self._name = bytearray()
        elif line[:1].isalpha():  # a command as typed by hand
            yield line.split()[0].decode(errors="replace").upper()


class Replies(_Stream):
    """What a server says."""

    def starts(self, data: bytes) -> list[int]:
        """Return where in *data* replies begin; what a server says unasked is none. Raises `NotRESP`."""
        return [at for at, line, body in self._walk(data) if not (line or body) and data[at] != PUSH]
