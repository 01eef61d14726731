"""A range of a log that is read page by page, when it is needed."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from django_redis_patterns.core.operations import IO, both_iter

from .ids import FIRST, LAST, Moment, place

T = TypeVar("T")
PAGE = 500
Read = Callable[[bytes, Mapping[bytes, bytes] | None], T | None]


class History(Generic[T]):
    """Entries of one log, oldest first unless ``reverse``. Iterate with ``for`` or ``async for``; each loop reads anew.

    A slice is a history too, and asks Redis for no more than it shows. *read* makes an entry of what Redis has; None
    is skipped.
    """

    def __init__(
        self,
        connection: str,
        log: str,
        read: Read[T],
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        reverse: bool = False,
        skip: int = 0,
        count: int | None = None,
    ) -> None:
        if count is not None and count < 0:
            raise ValueError(f"count is 0 or more, not {count}.")
        self.connection = connection
        self._log, self._read = log, read
        self._since, self._until, self._reverse = since, until, reverse
        self._skip, self._count = skip, count

    def __getitem__(self, part: slice) -> "History[T]":
        """Return a part: ``history[:20]``."""
        start, stop = _bounds(part)
        count = self._count if stop is None else stop if self._count is None else min(stop, self._count)
        return History(
            self.connection,
            self._log,
            self._read,
            since=self._since,
            until=self._until,
            reverse=self._reverse,
            skip=self._skip + start,
            count=None if count is None else max(count - start, 0),
        )

    def __iter__(self) -> Iterator[T]:
        return iter(self._entries())

    def __aiter__(self) -> AsyncIterator[T]:
        return aiter(self._entries())

    async def _shown(self, io: IO) -> AsyncGenerator[T, None]:
        first = FIRST if self._since is None else await place(io, self._since)
        last = LAST if self._until is None else await place(io, self._until)
        skip, left = self._skip, self._count
        while left != 0:
            most = PAGE if left is None else min(skip + left, PAGE)
            rows = await self._page(io, first, last, most)
            for entry in filter(None, (self._read(id, fields) for id, fields in rows)):
                if skip:
                    skip -= 1
                    continue
                yield entry
                left = left and left - 1
            if len(rows) < most:
                return
            beyond = f"({rows[-1][0].decode()}"
            first, last = (first, beyond) if self._reverse else (beyond, last)

    _entries = both_iter(_shown)

    async def _page(self, io: IO, first: str, last: str, count: int) -> Any:
        if self._reverse:
            return await io.redis.xrevrange(self._log, last, first, count)
        return await io.redis.xrange(self._log, first, last, count)


def _bounds(part: slice) -> tuple[int, int | None]:
    if not isinstance(part, slice):
        raise TypeError("Take a slice, such as [:20]: one entry is next(iter(history[7:8])).")
    start = part.start or 0
    if part.step not in (None, 1) or start < 0 or (part.stop is not None and part.stop < 0):
        raise ValueError("A slice of a history counts from its start, in steps of 1: [10:20].")
    return start, part.stop
