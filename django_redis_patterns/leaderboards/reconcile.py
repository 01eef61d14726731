"""Whether a board says what the database says."""

import logging
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias, cast

from django_redis_patterns.core.operations import IO

from .followed import FollowedBoard
from .leaderboard import AMONG, STAMP
from .rebuild import PLACES, Progress
from .scores import Score, parsed
from .sync import Facts, chunk, chunks, facts_of, per_chunk, score_of, write
from .truth import Fact

Held: TypeAlias = tuple[Score, str]

logger = logging.getLogger("django_redis_patterns.leaderboards")

#: Seconds between the two looks: a write that followed its commit when the first one came has landed by the second.
SETTLE = 0.25
SCANNED = 500


class Drift(NamedTuple):
    """How many places on a board differ from the database: one for each member and window. False when none does."""

    missing: int = 0
    wrong: int = 0
    ghost: int = 0

    def __bool__(self) -> bool:
        return any(self)


async def reconcile(
    io: IO, board: FollowedBoard, using: str, fix: bool = False, progress: Progress | None = None
) -> Drift:
    """Compare *board* with the database *using*, chunk by chunk; ``fix`` mends what differs. Returns the drift found.

    What differs is looked at again a moment later, so a write on its way is no drift. Each place that differs is told
    in the log (INFO).
    """
    look = _Look(io, board, using)
    suspects = dict.fromkeys([*await look.missing_or_wrong(progress), *await look.ghosts()])
    if suspects:
        await io.sleep(SETTLE)
    return await look.again(suspects, fix)


class _Look:
    def __init__(self, io: IO, board: FollowedBoard, using: str) -> None:
        self.io, self.board, self.using = io, board, using
        self.windows = board.windows_kept()
        self.truth, self.rows = board.truth, board.truth.rows(using)
        self.met = [0] * len(self.windows)

    async def missing_or_wrong(self, progress: Progress | None) -> list[str]:
        """Return the members of the database that seem to have another place on the board."""
        total = await self.io.call(self.truth.count, self.rows) if progress else 0
        found: list[str] = []
        done, after = 0, None
        while True:
            after, facts = await self.io.call(self._chunk, after)
            if after is None:
                return found
            members = list(dict.fromkeys(member for _, member in facts))
            found += dict.fromkeys(member for _, member, _ in await self._differing(members, facts))
            done += len(members)
            if progress:
                await self.io.call(progress, done, max(done, total))

    async def ghosts(self) -> list[str]:
        """Return the members that seem to be on the board without being in the database."""
        found: list[str] = []
        cut = STAMP if self.board.tiebreak else 0
        keys = [self.board.keys(window).board for window in self.windows]
        counts = await self.io.gather(*(cast(Any, self.io.redis.zcard(key)) for key in keys))
        for window, key, count, met in zip(self.windows, keys, counts, self.met, strict=True):
            cursor = 0 if count == met else None  # all of them have been looked at
            while cursor != 0:
                cursor, rows = await self.io.redis.zscan(key, cursor or 0, count=SCANNED)
                members = [stored[cut:].decode() for stored, _ in cast("list[tuple[bytes, Any]]", rows)]
                for some in chunks(members, SCANNED):
                    facts = await self.io.call(facts_of, self.board, self.using, [window], some)
                    found += [member for member in some if (0, member) not in facts]
        return found

    async def again(self, suspects: Iterable[str], fix: bool) -> Drift:
        """Look a second time at *suspects*, under a ticket, with which those that differ may be written."""
        kinds: list[str] = []
        for members in chunks(suspects, per_chunk(self.windows)):
            ticket = await self.board.ticket(self.io)
            facts = await self.io.call(facts_of, self.board, self.using, self.windows, members)
            differing = await self._differing(members, facts)
            for number, member, kind in differing:
                logger.info("%s, %s: %s is %s.", self.board.name, self.windows[number].label, member, kind)
            kinds += [kind for _, _, kind in differing]
            if fix and differing:
                those = dict.fromkeys(member for _, member, _ in differing)
                await write(self.io, self.board, self.windows, those, facts, ticket)
        return Drift(*(kinds.count(kind) for kind in Drift._fields))

    def _chunk(self, after: Any) -> tuple[Any, Facts]:
        return chunk(self.board, self.rows, self.windows, after, max(1, PLACES // len(self.windows)))

    async def _differing(self, members: list[str], facts: Facts) -> list[tuple[int, str, str]]:
        """Return number of window, member and kind of every difference: one trip."""
        if not members:
            return []
        held = await self.io.gather(*(self._held(n, members) for n in range(len(self.windows))))
        self.met = [met + sum(there is not None for there in found) for met, found in zip(self.met, held, strict=True)]
        return [
            (number, member, kind)
            for number, found in enumerate(held)
            for member, there in zip(members, found, strict=True)
            if (kind := self._kind(member, facts.get((number, member)), there))
        ]

    async def _held(self, number: int, members: list[str]) -> list[Held | None]:
        """Return score and stamp of each member in one window, None for who is not there."""
        board, _, stamps = self.board.keys(self.windows[number])
        if not self.board.tiebreak:
            scores = await self.io.redis.zmscore(board, members)
            return [None if score is None else (parsed(score), "") for score in scores]
        reply = await self.io.run(AMONG, keys=[board, stamps], args=members)
        there = zip(reply[::2], reply[1::2], strict=True)
        return [None if score is None else (parsed(score), stored[:STAMP].decode()) for stored, score in there]

    def _kind(self, member: str, fact: Fact | None, there: Held | None) -> str:
        if fact is None:
            return "ghost" if there else ""
        if there is None:
            return "missing"
        score = score_of(self.board, member, fact)
        return "" if there == (score, self.board.stamp(fact.stamp)) else "wrong"
