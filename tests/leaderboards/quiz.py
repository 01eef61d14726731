"""A board with ties, for the tests of reads and of writes."""

from typing import Any

from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.leaderboards import Change, Entry, Leaderboard
from django_redis_patterns.leaderboards.entries import Put

TIES = ["ordinal", "competition", "dense"]
WINDOWS = ["hour", "day", "week", "month", "all"]
SCORES = {"ann": 50, "ben": 40, "cat": 40, "dan": 40, "eve": 20, "fay": 20, "gus": -1.5}
RANKS = {
    "ordinal": [1, 2, 3, 4, 5, 6, 7],
    "competition": [1, 2, 2, 2, 5, 5, 7],
    "dense": [1, 2, 2, 2, 3, 3, 4],
}


def filled(**options: Any) -> Leaderboard:
    """A board with the scores from above, reached in the order of the names."""
    board = Leaderboard("quiz", **options)
    for name, score in SCORES.items():
        board.add(name, score)
    return board


def told(entries: list[Entry]) -> list[tuple[int, Any]]:
    return [(entry.rank, entry.obj) for entry in entries]


class Writer:
    def __init__(self, board: Leaderboard) -> None:
        self.board, self.connection = board, board.connection

    async def _write(self, io: IO, puts: list[Put], ticket: int) -> list[Change | None]:
        return await self.board.write(io, puts, ticket)

    write, awrite = both(_write)


def write(board: Leaderboard, puts: list[Put], ticket: int = 0) -> list[Change | None]:
    """Write as one who follows a database does."""
    return Writer(board).write(puts, ticket)
