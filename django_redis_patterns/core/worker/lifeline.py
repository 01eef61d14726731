"""The line between a supervisor and a child. Its end tells each that the other is gone, however that came about."""

import os
import socket
from contextlib import suppress


class Lifeline:
    """One end of it. Orders go down, a line of text each."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._socket.setblocking(False)
        self._rest = b""
        self.is_cut = False

    @classmethod
    def pair(cls) -> tuple["Lifeline", int]:
        """Return the near end, and the far one's file descriptor, for a program that is about to start."""
        near, far = socket.socketpair()
        return cls(near), far.detach()

    @classmethod
    def at(cls, fd: int) -> "Lifeline":
        """Return the end that was inherited as *fd*, which programs that handlers start do not inherit again."""
        os.set_inheritable(fd, False)
        return cls(socket.socket(fileno=fd))

    def fileno(self) -> int:
        """What to select."""
        return self._socket.fileno()

    def say(self, text: str) -> None:
        """Send a line. One that does not fit, because nobody reads, or nobody is there, is dropped."""
        with suppress(OSError):
            self._socket.send(text.encode() + b"\n")

    def hear(self) -> list[str]:
        """Return the lines that came; afterwards ``is_cut`` tells whether there will be more."""
        try:
            came = self._socket.recv(4096)
        except BlockingIOError:
            return []
        except OSError:
            came = b""
        self.is_cut = not came
        *lines, self._rest = (self._rest + came).split(b"\n")
        return [line.decode() for line in lines]

    def close(self) -> None:
        """Cut it."""
        self._socket.close()
