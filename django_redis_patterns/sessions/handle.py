"""A session's public name, and the keys that follow from it.

The store never sees a session id: it holds a hash. The first four characters of the id stay in clear as the hash
tag, so that a login's new id lies in the same slot and the change is one atomic rename; 28 unknown ones remain.
"""

import re
from typing import NamedTuple

from django_redis_patterns.core.keys import digest, key

ROOM = "sessions"
_SESSION_ID = re.compile(r"[a-z0-9]{8,64}\Z")
_HANDLE = re.compile(r"[a-z0-9]{4}[A-Za-z0-9_-]{22}\Z")
TAG = 4


class Handle(NamedTuple):
    """The tag and the hash of one session id. ``str()`` of it is `SessionInfo.id`; it is no cookie."""

    tag: str
    hashed: str

    @classmethod
    def of(cls, session_id: str | None) -> "Handle | None":
        """Return the handle of a session id, or None for what cannot be one: no trip is spent on that."""
        if session_id is None or not _SESSION_ID.match(session_id):
            return None
        return cls.made_of(session_id)

    @classmethod
    def made_of(cls, session_id: str) -> "Handle":
        """Return the handle of a well-formed session id."""
        return cls(session_id[:TAG], digest(session_id))

    @classmethod
    def parse(cls, text: str | bytes) -> "Handle | None":
        """Return the handle that *text* spells, or None."""
        text = text.decode("ascii", "replace") if isinstance(text, bytes) else text
        return cls(text[:TAG], text[TAG:]) if _HANDLE.match(text) else None

    @property
    def key(self) -> str:
        """The key of the session's hash."""
        return key(ROOM, self.tag, self.hashed)

    def __str__(self) -> str:
        return self.tag + self.hashed


def index_key(user_id: str) -> str:
    """The key of the index of one user's sessions, in a slot of its own."""
    return key(ROOM, f"user={user_id}")
