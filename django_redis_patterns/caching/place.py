"""Where a call and a tag have their keys."""

import os
import secrets
from dataclasses import dataclass
from functools import cached_property

from django_redis_patterns.core.keys import digest, key

_process = secrets.token_urlsafe(9)


def _start_anew() -> None:
    global _process
    _process = secrets.token_urlsafe(9)


os.register_at_fork(after_in_child=_start_anew)


def process() -> str:
    """Return the name of this process among those that cache."""
    return _process


@dataclass(frozen=True)
class Place:
    """Where one call of a function is kept; ``is_near``: processes keep copies, and are told of changes."""

    connection: str
    name: str
    is_near: bool = False

    @cached_property
    def value(self) -> str:
        """The key of its value, which is all that a hit needs."""
        return key("caching", self.name, "value")

    @cached_property
    def keys(self) -> list[str]:
        """Its value, who computes it, and the channels of those who wait."""
        return [self.value, *(key("caching", self.name, part) for part in ("lease", "waiters"))]

    @property
    def anchor(self) -> str:
        """The key beside it by which this process learns that its node was emptied."""
        return _anchor(self.name)

    @cached_property
    def near_name(self) -> str:
        """What it is called where processes tell each other what they must not keep copies of."""
        return f"call {_short(self.name)}"


@dataclass(frozen=True)
class Tag:
    """A name that many values share. Its key holds a nonce; a value is good as long as the nonce is the one it has."""

    connection: str
    name: str

    @cached_property
    def key(self) -> str:
        return key("caching", self.name, "tag")

    @property
    def anchor(self) -> str:
        """The key beside it by which this process learns that its node was emptied."""
        return _anchor(self.name)

    @cached_property
    def near_name(self) -> str:
        """What it is called there."""
        return f"tag {_short(self.name)}"


Target = Place | Tag


def near_channel() -> str:
    """Return the channel on which processes hear what they must not keep a copy of any more."""
    return key("caching", "near")


def _anchor(name: str) -> str:
    return key("caching", name, _process, "anchor")


def _short(name: str) -> str:
    return name if len(name) <= 100 and name.isascii() else digest(name)
