"""Where a name is locked, and the card that one shows there."""

import os
import secrets
import socket
from dataclasses import dataclass
from functools import cached_property

from django_redis_patterns.core.keys import key

_process = secrets.token_urlsafe(9)


def _start_anew() -> None:
    global _process
    _process = secrets.token_urlsafe(9)


os.register_at_fork(after_in_child=_start_anew)


def channel() -> str:
    """Return the channel on which this process hears of its grants."""
    return key("locks", _process, "post")


@dataclass(frozen=True)
class Place:
    """One turnstile: *limit* may be in at once. ``kind`` is "locks" or "semaphores", which are names apart."""

    name: str
    connection: str
    kind: str = "locks"
    limit: int = 1

    @property
    def label(self) -> bytes:
        """The name as the script notes it down for people."""
        return self.name.encode("utf-8", "surrogatepass")

    @cached_property
    def keys(self) -> list[str]:
        """Who is in, until when; who waits, since when; what is known of them, and the last fence."""
        return [key(self.kind, self.name, part) for part in ("holders", "queue", "facts")]


@dataclass(frozen=True)
class Card:
    """Who somebody is: a token that is never used twice, and what others need to know of its bearer."""

    token: str
    ttl: float

    @classmethod
    def new(cls, ttl: float) -> "Card":
        return cls(secrets.token_urlsafe(12), ttl)

    @property
    def ttl_ms(self) -> int:
        return round(self.ttl * 1000)

    @cached_property
    def text(self) -> str:
        """The card as the script reads it."""
        return "\n".join((self.token, str(self.ttl_ms), channel(), owner()))


def owner() -> str:
    """Return how this process is called to people, such as "web3:812"."""
    return f"{socket.gethostname()}:{os.getpid()}"
