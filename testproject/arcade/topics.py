"""What open pages may follow."""

from typing import Any

from django_redis_patterns.realtime import Topic

GAMES = {"quick-draw"}


class BoardTopic(Topic):
    """The moves on a game's boards. Everybody may watch."""

    pattern = "boards.{game:slug}"

    def can_subscribe(self, user: Any, game: str) -> bool:
        return game in GAMES
