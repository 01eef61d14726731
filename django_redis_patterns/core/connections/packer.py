"""From a command to the bytes that go over the wire, as RESP has them.

redis-py's own packer in Python copies what it has so far once for each argument; hiredis' crashes the process when a
signal handler raises inside of it.
"""

from collections.abc import Callable
from typing import Any

from redis._parsers import Encoder

#: Values from this size on are sent as they are, not copied.
LARGE = 6000

_encode: Callable[[Any], bytes] = Encoder("utf-8", "strict", False).encode  # type: ignore[no-untyped-call]


class Packer:
    """Takes the place of redis-py's."""

    def pack(self, *args: Any) -> list[Any]:
        """Return the pieces of one command. Its name may be of two words, as in ``CLUSTER SLOTS``."""
        name = args[0].encode() if isinstance(args[0], str) else args[0]
        if b" " in name:
            args = (*name.split(), *args[1:])
        pieces: list[Any] = []
        small = [b"*%d\r\n" % len(args)]
        for arg in args:
            data = arg if type(arg) is bytes else arg.encode() if type(arg) is str else _encode(arg)
            if len(data) < LARGE:
                small.append(b"$%d\r\n%b\r\n" % (len(data), data))
            else:
                pieces += [b"".join((*small, b"$%d\r\n" % len(data))), data]
                small = [b"\r\n"]
        pieces.append(b"".join(small))
        return pieces
