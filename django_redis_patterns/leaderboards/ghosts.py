"""Pages without the members whose rows are gone: those are removed from the board, and the page is filled up."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from django.db import connections
from redis.exceptions import RedisError

from django_redis_patterns.core import trace
from django_redis_patterns.core.commit import is_manual
from django_redis_patterns.core.operations import IO
from django_redis_patterns.exceptions import RedisPatternsError

from .entries import Entry, Ranked
from .members import Members

logger = logging.getLogger("django_redis_patterns.leaderboards")

#: How many rows more are looked at, each time that some of a page's are gone.
AHEAD = (0, 100, 1000, *[2000] * 20)


class Haunted(Protocol):
    """A board whose members may be rows."""

    members: Members

    async def forget(self, io: IO, texts: Sequence[str]) -> None: ...


async def objects(io: IO, members: Members, texts: Sequence[str]) -> dict[str, Any]:
    """Return the members of *texts*, without rows that are gone. No query when none is a row."""
    rows: list[str] = []
    found: dict[str, Any] = {}
    for text in texts:
        if members.is_row(text):
            rows.append(text)
        else:
            found[text] = members.plain(text)
    return found | await io.call(members.load, rows) if rows else found


async def filled(
    io: IO,
    board: Haunted,
    read: Callable[[int], Awaitable[list[Ranked]]],
    page: Callable[[list[Ranked]], list[Ranked]],
    member: str = "",
) -> list[Entry]:
    """Return the entries of a *page* of what ``read(how many more)`` returns; none around a *member* who is gone.

    What cannot be removed is only skipped; then the ranks still count it.
    """
    for ahead in AHEAD:
        rows = await read(ahead)
        found = await objects(io, board.members, [text for _, text, _ in rows])
        gone = [text for _, text, _ in rows if text not in found]
        whole = page(rows)
        if gone and await _forget(io, board, gone):
            shown = [row for row in whole if row[1] in found]
        else:
            shown = page([row for row in rows if row[1] in found])
        if member in gone:
            return []
        if not gone or len(shown) == len(whole):
            break
    return [Entry(rank, score, found[text]) for rank, text, score in shown]


async def _forget(io: IO, board: Haunted, gone: Sequence[str]) -> bool:
    """Remove *gone*, and return whether that was right and went well: the page is there either way."""
    if await io.call(_is_in_transaction):
        return False
    try:
        await board.forget(io, gone)
    except (RedisPatternsError, RedisError) as error:
        trace.count("leaderboards.ghosts_kept")
        logger.warning("%d rows that are gone stay on %r: %s", len(gone), board, error)
        return False
    return True


def _is_in_transaction() -> bool:
    """Return whether what is not seen may be there: deleted here and not committed, or newer than the snapshot."""
    return any(one.in_atomic_block or is_manual(one) for one in connections.all(initialized_only=True))
