"""What Redis was told, masked, and counters of what went wrong quietly."""

import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from django_redis_patterns.conf import settings


@dataclass(frozen=True)
class Told:
    """One command: masked text, size of its reply in bytes, milliseconds of the trip it travelled in."""

    command: str
    reply_size: int
    ms: float


@dataclass
class Log:
    """What was told while `record` was open. ``trips`` counts round trips: a pipeline is one."""

    commands: list[Told] = field(default_factory=list)
    trips: int = 0


_log: ContextVar[Log | None] = ContextVar("redis_patterns_log", default=None)
_counts: Counter[str] = Counter()
_lock = threading.Lock()
# Whatever is not one of these, a number beside one, or a key of ours may be a value.
_OPTION = re.compile("(EX|PX|EXAT|PXAT|KEEPTTL|NX|XX|GT|LT|CH|INCR|GET|LIMIT|REV|BYSCORE|WITHSCORES|MATCH|COUNT)\\Z")
_COUNTING = re.compile("(P?EXPIRE|ZRANGE|ZREVRANGE|LRANGE|LTRIM|SCAN)\\Z")
_NUMBER = re.compile(r"-?\d{1,15}\Z")


@contextmanager
def record() -> Iterator[Log]:
    """Collect every command sent from this context, and from threads and tasks that inherit it."""
    log = Log()
    token = _log.set(log)
    try:
        yield log
    finally:
        _log.reset(token)


class Command(Protocol):
    """What was sent: its arguments, and the name of the script it runs, if any."""

    args: tuple[Any, ...]
    script: str | None


def told(commands: Sequence[Command], replies: Sequence[Any], seconds: float) -> None:
    """Note one round trip."""
    log = _log.get()
    if log is None:
        return
    log.trips += 1
    ms = seconds * 1000
    log.commands += [
        Told(masked(command.args, command.script), _size(reply), ms)
        for command, reply in zip(commands, replies, strict=True)
    ]


def count(name: str, by: int = 1) -> None:
    """Add *by* to the counter *name*, for example ``"sessions.undecodable"``."""
    with _lock:
        _counts[name] += by


def counters() -> dict[str, int]:
    """Return a copy of all counters of this process."""
    with _lock:
        return dict(_counts)


def masked(args: Sequence[Any], script: str | None = None) -> str:
    """Return a command with names of scripts and keys in clear and every value as its size."""
    words = [arg.decode("utf-8", "replace") if isinstance(arg, bytes) else str(arg) for arg in args]
    clear = 1
    if script:
        words[1] = script
        clear = 3  # EVALSHA, name, number of keys
    for i in range(clear, len(words)):
        if not _is_clear(words[i], words[i - 1], words[0]):
            words[i] = f"‹{len(words[i])} B›"
    return " ".join(words)


def _is_clear(word: str, before: str, verb: str) -> bool:
    is_count = _NUMBER.match(word) and (_OPTION.match(before) or _COUNTING.match(verb))
    return bool(is_count or _OPTION.match(word)) or word.startswith(f"{settings().prefix}:")


def _size(reply: Any) -> int:
    if isinstance(reply, bytes | str):
        return len(reply)
    if isinstance(reply, dict):
        return sum(_size(k) + _size(v) for k, v in reply.items())
    if isinstance(reply, list | tuple | set):
        return sum(map(_size, reply))
    return len(str(reply)) if reply is not None else 0
