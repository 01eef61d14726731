"""A board made anew from the database, beside the one that is read, which it replaces in one step."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from secrets import token_hex
from typing import Any, TypeAlias, cast

from django_redis_patterns.core.operations import IO
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.exceptions import RebuildOvertaken, RedisPatternsError

from . import layout
from .followed import TICKETS_KEPT_MS, FollowedBoard
from .layout import Keys
from .sync import Facts, chunk, score_of
from .windows import Window

#: Called with how many members are done, and how many there are.
Progress: TypeAlias = Callable[[int, int], Any]

SWAP = Script("swap.lua")
PLACES = 5000


async def rebuild(io: IO, board: FollowedBoard, using: str, progress: Progress | None = None) -> int:
    """Make *board* anew from the database *using*; returns how many members the database has for it.

    Readers see the old board until the last step. Rows that are written meanwhile count as they are in the end. Takes
    the members in chunks of about 5000 places on the board. Raises `RebuildOvertaken` when another one begins.
    """
    return await _Rebuild(io, board, using).run(progress)


class _Rebuild:
    """One run. Its keys bear its token, so that one that was overtaken spoils nothing."""

    def __init__(self, io: IO, board: FollowedBoard, using: str) -> None:
        self.io, self.board, self.using = io, board, using
        self.token = token_hex(8)
        self.windows = board.windows_kept()
        self.truth, self.rows = board.truth, board.truth.rows(using)
        self.made: set[str] = set()

    async def run(self, progress: Progress | None) -> int:
        start = await self.board.ticket(self.io)
        self.running = f"{self.token}:{start}"
        await self.io.redis.set(self.board.key("rebuild"), self.running, px=TICKETS_KEPT_MS)
        try:
            done = await self._fill(progress)
            await self._swap(start)
        except Exception:
            with suppress(RedisPatternsError):  # they end by themselves
                await self.io.gather(*(cast(Any, self.io.redis.unlink(key)) for key in self.made))
            raise
        return done

    async def _fill(self, progress: Progress | None) -> int:
        total = await self.io.call(self.truth.count, self.rows) if progress else 0
        done, after = 0, None
        while True:
            end, facts = await self.io.call(self._chunk, after)
            if end is None:
                return done
            await self._load(facts)
            done, after = done + len({member for _, member in facts}), end
            if progress:
                await self.io.call(progress, done, max(done, total))

    def _chunk(self, after: Any) -> tuple[Any, Facts]:
        return chunk(self.board, self.rows, self.windows, after, max(1, PLACES // len(self.windows)))

    async def _load(self, facts: Facts) -> None:
        """Store *facts*, and see to it that this rebuild is still the one, and that what it needs lasts as long."""
        redis: Any = self.io.redis
        key, tickets = self.board.key("rebuild"), layout.tickets_key(self.board.name)
        running, *_ = await self.io.gather(
            redis.get(key),
            *(command for number in range(len(self.windows)) for command in self._commands(number, facts)),
            *(redis.pexpire(kept, TICKETS_KEPT_MS) for kept in (key, tickets, *self.made)),
        )
        if running is None or running.decode() != self.running:
            raise RebuildOvertaken(self.board.name)

    def _commands(self, number: int, facts: Facts) -> Iterable[Any]:
        """Yield what stores the facts of one window, as write.lua would."""
        redis: Any = self.io.redis
        rows = list(self._scored(number, facts))
        if not rows:
            return
        new = self._new(self.windows[number])
        yield redis.zadd(new.board, {stamp + text: score for text, stamp, score in rows})
        if self.board.ties == "dense":
            yield redis.zadd(new.distinct, {f"{score:.17g}": score for _, _, score in rows})
        if self.board.tiebreak:
            yield redis.hset(new.stamps, mapping={text: stamp[:-1] for text, stamp, _ in rows})
        self.made.update(new)

    def _scored(self, number: int, facts: Facts) -> Iterable[tuple[str, str, float]]:
        for (window, text), fact in facts.items():
            if window == number and (score := score_of(self.board, text, fact)) is not None:
                yield text, self.board.stamp(fact.stamp), score

    def _new(self, window: Window) -> Keys:
        parts = (layout.ROOM, self.board.name, window.name, window.label, "new", self.token)
        return Keys(layout.key(*parts), layout.key(*parts, "d"), layout.key(*parts, "m"))

    async def _swap(self, start: int) -> None:
        keys = [key for window in self.windows for key in (*self.board.keys(window), *self._new(window))]
        expires = [window.expires_ms for window in self.windows]
        swapped = await self.io.run(
            SWAP,
            keys=[layout.tickets_key(self.board.name), self.board.key("rebuild"), *keys],
            args=[self.running, start, self.board.ties, self.board.tiebreak or "", *expires],
        )
        if not swapped:
            raise RebuildOvertaken(self.board.name)
