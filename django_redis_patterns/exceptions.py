"""The whole error tree.

RedisPatternsError
├── InvalidConfiguration     (also Django's ImproperlyConfigured)
├── RedisUnavailable         Redis did not answer; ``ambiguous`` says whether the command may have run
│   ├── RedisFull            it has no memory left for writes
│   ├── PoolExhausted        all connections of this process are in use
│   └── LockUnavailable      (also a LockError) nobody knows whether the lock is free
├── RedisDenied              wrong password, missing permission: never answered by a policy meant for outages
├── SerializationError       a value that cannot be stored, or stored bytes that cannot be read
│   └── ValueTooLarge        it has more bytes than one value may have
├── LockError
│   ├── LockTimeout          (also Python's TimeoutError) others held the lock for as long as we waited
│   ├── LockLost             it was ours, and is not any more
│   ├── LockReentry          (also a RuntimeError) who holds the lock wants it again, and would wait for itself
│   └── StaleFence           somebody has written with a newer fence
├── QueueError
│   ├── JobLost              the job was ours, and is not any more: somebody else may have run it
│   ├── TaskTimeout          (also Python's TimeoutError) a task ran for longer than it may
│   └── TaskKilled           each process that ran a task died: never raised, an error of its result
├── RebuildOvertaken         a leaderboard is being rebuilt by somebody who began later
├── InexactScore             a score that a board would round (also a ValueError)
├── StreamError
│   ├── UnknownGroup         (also a LookupError) a group that the stream does not have
│   └── EventLost            an event that a consumer works on is another's now
└── UnknownTopic             a topic that no class declares (also a LookupError)
"""

import re
from typing import Any

from django.core.exceptions import ImproperlyConfigured

# Everything up to the last @ of a word: a password that was not quoted may hold / and # too.
_LOGIN = re.compile(r"(?<=://)[^\s'\"]*@")
_OPTION = re.compile(r"(?<=[?&])((?:ssl_)?password=)[^&\s'\"]*")


def without_secrets(text: str) -> str:
    """Return *text* with user and password of each URL in it masked."""
    return _OPTION.sub(r"\1***", _LOGIN.sub("***@", text))


class RedisPatternsError(Exception):
    """Root of every error this app raises."""

    def __reduce__(self) -> tuple[Any, ...]:  # task queues and process pools send errors from process to process
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[RedisPatternsError], args: tuple[Any, ...], state: dict[str, Any]) -> RedisPatternsError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidConfiguration(RedisPatternsError, ImproperlyConfigured):
    """``REDIS_PATTERNS`` holds something that cannot be used; the message names the option, and no password."""

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))


class RedisUnavailable(RedisPatternsError):
    """Redis did not answer in time, or not at all.

    ``alias`` is the connection; ``ambiguous`` is False only when the command provably never left this process.
    """

    def __init__(self, alias: str, reason: object, *, ambiguous: bool) -> None:
        outcome = "its outcome is unknown" if ambiguous else "nothing was sent"
        super().__init__(f"Redis connection {alias!r} is unavailable ({reason}); {outcome}.")
        self.alias = alias
        self.ambiguous = ambiguous


class RedisFull(RedisUnavailable):
    """Redis has reached its ``maxmemory`` and refuses writes; reads and deletes go on. Nothing was written."""

    def __init__(self, alias: str, reason: object) -> None:
        super().__init__(alias, f"its memory is full: {reason}", ambiguous=False)


class PoolExhausted(RedisUnavailable):
    """All connections that this process may have were in use for longer than a call waits."""

    def __init__(self, alias: str) -> None:
        super().__init__(alias, "all MAX_CONNECTIONS of this process are in use; raise it", ambiguous=False)


class RedisDenied(RedisPatternsError):
    """Redis refused who we are or what we asked: a password, an ACL or a certificate is wrong."""

    def __init__(self, alias: str, reason: object) -> None:
        super().__init__(f"Redis connection {alias!r} was refused: {reason}. Check its credentials and permissions.")
        self.alias = alias


class LockError(RedisPatternsError):
    """Root of what locks raise."""


class LockTimeout(LockError, TimeoutError):
    """Others held the lock for as long as we waited.

    ``name`` is the lock's; ``waited`` is in seconds; ``holder`` tells who has it and since when, if that is known.
    """

    def __init__(self, name: str, waited: float, holder: object = None) -> None:
        when = f" within {waited:.3g} s" if waited >= 0.01 else ""
        who = f": held by {holder}" if holder else ""
        super().__init__(f"The lock {name!r} was not free{when}{who}.")
        self.name, self.waited, self.holder = name, waited, holder


class LockLost(LockError):
    """The lock ``name`` was ours and is not any more: somebody else may have been at work since."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The lock {name!r} was lost: {reason}.")
        self.name = name


class LockReentry(LockError, RuntimeError):
    """Who holds the lock ``name`` wants it again: it would wait for itself."""

    def __init__(self, name: str) -> None:
        super().__init__(f"This thread or task holds the lock {name!r} already, and would wait for itself.")
        self.name = name


class LockUnavailable(LockError, RedisUnavailable):
    """Redis is away, so nobody knows whether the lock is free. It is not ours; ``ambiguous`` as in the base."""

    def __init__(self, alias: str, reason: object, *, ambiguous: bool) -> None:
        RedisUnavailable.__init__(self, alias, reason, ambiguous=ambiguous)


class StaleFence(LockError):
    """Nothing was written: somebody has written the row with a newer fence, or it is gone."""

    def __init__(self, obj: object, fence: int) -> None:
        super().__init__(f"{obj!r} was not written: another holder has written it since fence {fence}, or it is gone.")
        self.fence = fence


class SerializationError(RedisPatternsError):
    """A value cannot be stored as it is, or stored bytes cannot be trusted or read."""


class ValueTooLarge(SerializationError):
    """A value has more bytes than one value may have."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"{size} bytes are over the limit of {limit}.")


class InexactScore(RedisPatternsError, ValueError):
    """A score that Redis would round: beyond 2**53, or with more digits than a double holds."""


class QueueError(RedisPatternsError):
    """Root of what queues raise."""


class JobLost(QueueError):
    """The job ``id`` was ours and is not any more: our lease ran out, and somebody else may have run it."""

    def __init__(self, queue: str, id: str) -> None:
        super().__init__(
            f"The job {id!r} of {queue!r} was taken over: its lease had run out. What we did is not noted."
        )
        self.queue, self.id = queue, id


class TaskTimeout(QueueError, TimeoutError):
    """A task ran for longer than its ``timeout``, in seconds. Raised inside of it."""


class TaskKilled(QueueError):
    """Each process that ran a task died meanwhile. Never raised: what the errors of its result say."""


class RebuildOvertaken(RedisPatternsError):
    """Another rebuild of the board has begun, or Redis has lost this one. The board is as it was."""

    def __init__(self, board: str) -> None:
        super().__init__(
            f"This rebuild of {board!r} changed nothing: another one began after it, or Redis has lost its data "
            "meanwhile. Start it again unless another one is running."
        )


class StreamError(RedisPatternsError):
    """Root of what streams raise."""


class UnknownGroup(StreamError, LookupError):
    """The stream has no ``group`` of that name: no consumer of it has ever been there, or Redis has lost it."""

    def __init__(self, stream: str, group: str) -> None:
        super().__init__(f"The stream {stream!r} has no group {group!r}. Its consumer makes it when it starts.")
        self.stream, self.group = stream, group


class EventLost(StreamError):
    """The event ``id`` was ours, and was given to another consumer since, or acknowledged: stop working on it."""

    def __init__(self, id: str) -> None:
        super().__init__(f"The event {id} is not this consumer's any more: another one may be working on it.")
        self.id = id


class UnknownTopic(RedisPatternsError, LookupError):
    """A topic that no `Topic` class declares; the message names the declared patterns."""
