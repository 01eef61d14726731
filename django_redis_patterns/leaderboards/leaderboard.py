"""A board in Redis: one sorted set per window, every call one trip."""

from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from typing import Any, TypeAlias, cast

from django.db.models import Model, QuerySet

from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script

from .board import MODES, Board
from .entries import Change, Entry, Mode, Put, Ranked, Row, Stored, pairs, ranked
from .ghosts import filled, objects
from .scores import Score, exact, parsed

Number: TypeAlias = int | float | Decimal

ROWS = Script("rows.lua", idempotent=True)
STANDING = Script("standing.lua", idempotent=True)
AMONG = Script("among.lua", idempotent=True)
STAMP = len("0123456789012345:")
MOST_AMONG = 1000
MOST_MEMBERS = 2**31


class Leaderboard(Board):
    """A board that lives in Redis alone.

    ``order`` "desc": the highest is first. ``ties``: equal scores have ranks 1, 2 ("ordinal"), 1, 1, 3 ("competition")
    or 1, 1, 2 ("dense"). ``tiebreak="first"``: of equal scores the one reached first is ahead; without it their order
    is fixed but means nothing. ``aggregate``: what `add` does with an earlier score: "last" replaces it, "best" keeps
    the better, "sum" adds up. ``windows``: any of hour, day, week, month, all, by the clock of ``tz`` (a name or a
    tzinfo; Django's ``TIME_ZONE``); ``keep``: how many past ones stay readable.

    Reads show one window, "all" if there is one, else the first; `window` shows another. Members are text, whole
    numbers (they come back as text) or model instances (they come back as instances, by one query per model; rows that
    are gone are removed from the board). Every call is one trip, and raises `RedisUnavailable` when Redis is away.
    """

    async def _add(self, io: IO, member: Any, score: Number) -> Change:
        """Give *member* a *score*, as ``aggregate`` says, in all windows at once.

        Returns the shown window's change; ``windows`` has all. Raises `InexactScore` for a score or a sum that Redis
        would round; then nothing is written.
        """
        return await self._put(io, member, MODES[self.aggregate], exact(score))

    async def _increment(self, io: IO, member: Any, by: Number = 1) -> Change:
        """Add *by* to the score of *member*, 0 for who is absent, in all windows at once. Otherwise like `add`."""
        return await self._put(io, member, "sum", exact(by))

    async def _remove(self, io: IO, member: Any) -> Change:
        """Remove *member* from all windows, past ones too. Returns the shown window's change."""
        return await self._put(io, member, "remove")

    async def _top(self, io: IO, count: int = 10) -> list[Entry]:
        """Return the *count* best entries, best first."""
        return await self._slice(io, 1, _at_least(0, count=count))

    async def _page(self, io: IO, number: int, size: int = 50) -> list[Entry]:
        """Return page *number*, from 1, of *size* entries."""
        last = _at_least(1, number=number) * _at_least(1, size=size)
        return await self._slice(io, last - size + 1, last)

    async def _slice(self, io: IO, first: int, last: int) -> list[Entry]:
        """Return the entries from place *first*, counted from 1, to place *last*, inclusive."""
        if _at_least(1, first=first) > last:
            return []
        return await self._entries(io, first - 1, min(last, MOST_MEMBERS) - 1)

    async def _around(self, io: IO, member: Any, count: int = 5) -> list[Entry]:
        """Return *member* with *count* entries above and *count* below, fewer at an end; nothing for who is absent."""
        reach = _at_least(0, count=count)
        return await self._entries(io, -reach, reach, self.members.text(member))

    async def _rank(self, io: IO, member: Any) -> int | None:
        """Return the rank of *member*, from 1; None for who is absent."""
        text = self.members.text(member)
        if self.ties == "ordinal" and not self.tiebreak:
            find = io.redis.zrevrank if self._is_desc else io.redis.zrank
            place = await find(self.keys().board, text)
            return None if place is None else cast(int, place) + 1
        standing = await self._standing(io, text)
        return cast(int, standing[0]) if standing else None

    async def _score(self, io: IO, member: Any) -> Score | None:
        """Return the score of *member*, an int when it is whole; None for who is absent."""
        text = self.members.text(member)
        if not self.tiebreak:
            score = await io.redis.zscore(self.keys().board, text)
            return None if score is None else parsed(score)
        standing = await self._standing(io, text)
        return parsed(standing[1]) if standing else None

    async def _percentile(self, io: IO, member: Any) -> float | None:
        """Return how many percent of all are not better than *member*: 100 for the best. None for who is absent."""
        standing = await self._standing(io, self.members.text(member))
        return 100 * (standing[3] - standing[2]) / standing[3] if standing else None

    async def _count(self, io: IO) -> int:
        """Return how many members there are."""
        return int(await io.redis.zcard(self.keys().board))

    async def _among(self, io: IO, members: Iterable[Any]) -> list[Entry]:
        """Return the entries of those of *members* that are there, best first, ranked among themselves.

        Takes at most 1000. A queryset is read by this call.
        """
        most = MOST_AMONG + 1
        given = await io.call(list, members[:most]) if isinstance(members, QuerySet) else list(islice(members, most))
        if len(given) == most:
            raise ValueError(f"among() ranks at most {MOST_AMONG} members: take those who matter, or a slice.")
        by_text = {self.members.text(member): member for member in given}
        rows = await self._scores(io, list(by_text))
        known = {text: member for text, member in by_text.items() if isinstance(member, Model)}
        known |= await objects(io, self.members, [text for text, _ in rows if text not in known])
        found = ranked([row for row in rows if row[0] in known], self.ties)
        return [Entry(rank, score, known[text]) for rank, text, score in found]

    add, aadd = both(_add)
    increment, aincrement = both(_increment)
    remove, aremove = both(_remove)
    top, atop = both(_top)
    page, apage = both(_page)
    slice, aslice = both(_slice)
    around, aaround = both(_around)
    rank, arank = both(_rank)
    score, ascore = both(_score)
    percentile, apercentile = both(_percentile)
    count, acount = both(_count)
    among, aamong = both(_among)

    async def _put(self, io: IO, member: Any, mode: Mode, score: Score = 0) -> Change:
        if self.at is not None:
            raise ValueError(f"{self!r} shows a window of another time, which is read only.")
        text, present = self.members.text(member), self.windows_now()
        windows = self.windows_kept() if mode == "remove" else present
        done = await self.write(io, [Put(window, text, mode, score) for window in windows])
        told = {window.name: change for window, change in zip(windows, done, strict=True) if window in present}
        changed = cast("dict[str, Change]", told)
        return changed[self.shown]._replace(windows=changed)

    async def _entries(self, io: IO, start: int, stop: int, member: str = "") -> list[Entry]:
        """Return the rows between two places, counted from the best, or from *member*."""

        async def read(ahead: int) -> list[Ranked]:
            return await self._rows(io, start - ahead if member else start, stop + ahead, member)

        def page(rows: list[Ranked]) -> list[Ranked]:
            here = next((i for i, (_, text, _) in enumerate(rows) if text == member), -start)
            return rows[max(here + start, 0) : here + stop + 1]

        return await filled(io, self, read, page, member)

    async def _rows(self, io: IO, start: int, stop: int, member: str) -> list[Ranked]:
        if start == 0 and not member:
            board, is_desc = self.keys().board, self._is_desc
            found: Any = await io.redis.zrange(board, 0, stop, is_desc, withscores=True, score_cast_func=parsed)
            return ranked(self._named(found), self.ties)
        reply = await io.run(ROWS, keys=[*self.keys()], args=[*self._options, start, stop, member])
        return ranked(self._named(pairs(reply[:-2])), self.ties, *reply[-2:])

    async def _standing(self, io: IO, text: str) -> list[Any]:
        return cast("list[Any]", await io.run(STANDING, keys=[*self.keys()], args=[*self._options, text]))

    async def _scores(self, io: IO, texts: list[str]) -> list[Row]:
        """Return the rows of those of *texts* that are there, best first."""
        if not texts:
            return []
        board, _, stamps = self.keys()
        if self.tiebreak:
            reply = await io.run(AMONG, keys=[board, stamps], args=texts)
            there = [(stored, score) for stored, score in zip(reply[::2], reply[1::2], strict=True) if score]
        else:
            scores = await io.redis.zmscore(board, texts)
            there = [(text.encode(), score) for text, score in zip(texts, scores, strict=True) if score is not None]
        found = [(parsed(score), stored) for stored, score in there]
        return self._named((stored, score) for score, stored in sorted(found, reverse=self._is_desc))

    def _named(self, rows: Iterable[Stored]) -> list[Row]:
        cut = STAMP if self.tiebreak else 0
        return [(stored[cut:].decode(), score) for stored, score in rows]

    @property
    def _is_desc(self) -> bool:
        return self.order == "desc"


def _at_least(least: int, **given: int) -> int:
    """Return the one number that is given, or raise ValueError when it is too low, or more than any board has."""
    ((name, value),) = given.items()
    if value < least:
        raise ValueError(f"{name} is {least} or more, not {value}.")
    if value > MOST_MEMBERS:
        raise ValueError(f"{name} is at most {MOST_MEMBERS}, not {value}.")
    return value
