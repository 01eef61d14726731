"""What the room itself keeps in a session's hash: one short field, and three for the devices page."""

import struct
import time
from dataclasses import dataclass

HEADER, SEEN, IP, AGENT = b"h", b"n", b"i", b"a"
_VERSION = b"1"
_LAYOUT = struct.Struct(">cIII")
_LAST = 2**32 - 1


@dataclass
class Header:
    """Times in whole seconds. ``indexed_until``: the score of the session in its user's index, 0 when in none."""

    created: int
    expires: int
    indexed_until: int = 0

    @classmethod
    def new(cls) -> "Header":
        """Return the header of a session that starts now."""
        return cls(created=int(time.time()), expires=0)

    @classmethod
    def parse(cls, data: bytes | None) -> "Header | None":
        """Return the header, or None when it is broken or of a version we do not know."""
        if data is None or len(data) != _LAYOUT.size or data[:1] != _VERSION:
            return None
        return cls(*_LAYOUT.unpack(data)[1:])

    def encode(self) -> bytes:
        """Return the stored form: 13 bytes, for it is in every session."""
        times = (min(max(second, 0), _LAST) for second in (self.created, self.expires, self.indexed_until))
        return _LAYOUT.pack(_VERSION, *times)


def agent_name(user_agent: str) -> str:
    """Return a short name such as ``Firefox 128 on Linux``: what a person recognises, and small in Redis."""
    browser = next(
        (f"{name} {_version(user_agent, mark)}".strip() for mark, name in _BROWSERS if mark in user_agent), ""
    )
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    known = " on ".join(filter(None, (browser, system)))
    return (known or user_agent.split(" ")[0])[:48]


# The order matters: browsers name those they descend from after themselves.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def _version(user_agent: str, mark: str) -> str:
    return user_agent.partition(mark)[2].partition(".")[0][:4]
