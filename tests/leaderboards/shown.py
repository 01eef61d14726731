"""What tests of boards have in common."""

from typing import Any


class Undo(Exception):
    """Rolls a transaction back."""


def scores(board: Any) -> dict[Any, Any]:
    """Return what the shown window of *board* holds."""
    return {entry.obj: entry.score for entry in board.top(1000)}
