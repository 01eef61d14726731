"""Where a call and a tag have their keys."""

from dataclasses import dataclass
from functools import cached_property

from django_redis_patterns.core.keys import key


@dataclass(frozen=True)
class Place:
    """Where one call of a function is kept; ``is_near``: processes keep copies, and are told of changes."""

    connection: str
    name: str
    is_near: bool = False

    @cached_property
    def keys(self) -> list[str]:
        """Its value, who computes it, and the channels of those who wait."""
        return [key("caching", self.name, part) for part in ("value", "lease", "waiters")]


@dataclass(frozen=True)
class Tag:
    """A name that many values share. Its key holds a nonce; a value is good as long as the nonce is the one it has."""

    connection: str
    name: str

    @cached_property
    def key(self) -> str:
        return key("caching", self.name, "tag")


Target = Place | Tag


def near_channel() -> str:
    """Return the channel on which processes hear what they must not keep a copy of any more."""
    return key("caching", "near")
