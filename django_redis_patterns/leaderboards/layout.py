"""Where a board lies in Redis. All keys of a board share a slot."""

from functools import lru_cache
from typing import NamedTuple

from django_redis_patterns.conf import settings
from django_redis_patterns.core.keys import key as key

from .windows import Window

ROOM = "boards"


class Keys(NamedTuple):
    """The keys of one window: the sorted set, its distinct scores (dense ranks), its stamps (first to reach)."""

    board: str
    distinct: str
    stamps: str


def keys(name: str, window: Window) -> Keys:
    """Return the keys of *window* of the board *name*."""
    return _keys(settings().prefix, name, window.name, window.label)


def tickets_key(name: str) -> str:
    """Return the key of the sorted set of each member's last ticket."""
    return key(ROOM, name, "tickets")


@lru_cache(maxsize=4096)
def _keys(prefix: str, name: str, window: str, label: str) -> Keys:
    parts = (ROOM, name, window, label)
    return Keys(key(*parts), key(*parts, "d"), key(*parts, "m"))
