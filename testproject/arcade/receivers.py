"""What happens when somebody moves on a board: every page that shows it hears of it, and so do those overtaken."""

from typing import Any

from django.contrib.auth.models import User

from arcade.models import Play
from arcade.topics import BoardTopic
from django_redis_patterns.leaderboards import Change
from django_redis_patterns.realtime import notify

MOST = 10  # people told of one move; who comes from far below does not wake half the town


def tell(*, window: str, member: str, change: Change, **_: Any) -> None:
    """Tell open pages, and those overtaken, of one move in one window."""
    board = BoardTopic(game="quick-draw")
    mover = User.objects.filter(pk=member.rpartition(":")[2]).first()
    if mover is None or change.new_rank is None:
        board.publish("left", {"window": window})
        return
    move = {"player": mover.pk, "name": mover.username, "window": window, "points": change.score}
    board.publish("moved", move | {"old": change.old_rank, "new": change.new_rank})
    if change.old_rank is None or change.new_rank < change.old_rank:
        notify(overtaken(window, change), "overtaken", move)


def overtaken(window: str, change: Change) -> list[User]:
    """Return who stood before the one who moved, or would have been next for a newcomer, and now stands behind."""
    first, last = change.new_rank + 1, change.new_rank + MOST
    if change.old_rank is not None:
        last = min(last, change.old_rank)
    behind = Play.leaderboard.window(window).slice(first, last)
    return [entry.obj for entry in behind if entry.score < change.score and _may_be_here(entry.obj)]


def _may_be_here(player: User) -> bool:
    """Bots have no password, so no page of theirs is open."""
    return player.has_usable_password()
