"""What open pages may follow."""

from typing import Any

from django_redis_patterns.realtime import Topic

GAMES = {"quick-draw"}
LOCKS = {"turnstile", "season"}
CACHED = {"hall", "herd"}
STREAMS = {"plays"}
QUEUES = {"errands", "reports"}


class BoardTopic(Topic):
    """The moves on a game's boards. Everybody may watch."""

    pattern = "boards.{game:slug}"

    def can_subscribe(self, user: Any, game: str) -> bool:
        return game in GAMES


class LockTopic(Topic):
    """Who comes and goes at a lock. Everybody may watch."""

    pattern = "locks.{lock:slug}"

    def can_subscribe(self, user: Any, lock: str) -> bool:
        return lock in LOCKS


class CacheTopic(Topic):
    """What happens to a cached page. Everybody may watch."""

    pattern = "caching.{page:slug}"

    def can_subscribe(self, user: Any, page: str) -> bool:
        return page in CACHED


class StreamTopic(Topic):
    """What is appended to a stream, and what its consumers make of it. Everybody may watch."""

    pattern = "streams.{stream:slug}"

    def can_subscribe(self, user: Any, stream: str) -> bool:
        return stream in STREAMS


class QueueTopic(Topic):
    """What happens to the tasks of a queue. Everybody may watch."""

    pattern = "queues.{queue:slug}"

    def can_subscribe(self, user: Any, queue: str) -> bool:
        return queue in QUEUES
