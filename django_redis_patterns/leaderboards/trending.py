"""What is hot now: hits that lose half of their weight in every half life."""

import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

from django_redis_patterns.conf import settings
from django_redis_patterns.core.keys import key
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script

from .entries import Entry, Ranked, pairs, ranked
from .ghosts import filled
from .leaderboard import MOST_MEMBERS
from .members import Members
from .scores import Score, exact, parsed

HIT = Script("hit.lua")
READ = Script("trending.lua", idempotent=True)
#: What has decayed below this is dropped: a hit of weight 1 after 32 half lives.
FLOOR = 2.0**-32
#: Half lives without a hit after which the whole board is dropped.
KEPT = 64
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TEXT = re.compile(r"([1-9][0-9]{0,8})([smhdw])\Z", re.ASCII)


class Trending:
    """A board of what is hot: ``Trending("articles", half_life="6h").hit(article)``.

    ``half_life``: seconds, a timedelta, or text such as "30m", "6h", "2d", "1w". Redis remembers it, so readers need
    not say it; saying another one at a hit decays everything up to now by the old one, and from now on by the new.
    Time is that of Redis, and nothing runs in the background. Members are those of a `Leaderboard`. Every call is one
    trip, and raises `RedisUnavailable` when Redis is away. Memory is bounded: what has not been hit for some 32 half
    lives is dropped by the next hit.
    """

    def __init__(
        self, name: str, *, half_life: str | float | timedelta | None = None, connection: str | None = None
    ) -> None:
        self.name = name
        self.half_life_ms = None if half_life is None else _milliseconds(half_life)
        self.members = Members()
        self._connection = connection

    def __repr__(self) -> str:
        return f"<Trending {self.name!r}>"

    @property
    def connection(self) -> str:
        """The alias of the connection that holds the board."""
        return self._connection or settings().leaderboards.connection

    async def _hit(self, io: IO, member: Any, weight: int | float | Decimal = 1) -> Score:
        """Add *weight* to *member*, and return its score now. A negative weight takes back.

        Raises ValueError when no half life was ever said, and `InexactScore` for a weight that is no exact number.
        """
        args = [self.members.text(member), exact(weight), self.half_life_ms or "", FLOOR, KEPT]
        score = await io.run(HIT, keys=self._keys, args=args)
        if score is None:
            raise ValueError(f'{self!r} has no half life yet: write Trending({self.name!r}, half_life="6h").')
        return parsed(score)

    async def _top(self, io: IO, count: int = 10) -> list[Entry]:
        """Return the *count* hottest entries, with their scores as they are now."""
        if count < 1:
            return []

        async def read(ahead: int) -> list[Ranked]:
            rows = pairs(await io.run(READ, keys=self._keys, args=[min(count, MOST_MEMBERS) - 1 + ahead, ""]))
            return ranked([(stored.decode(), score) for stored, score in rows], "ordinal")

        return await filled(io, self, read, lambda rows: rows[:count])

    async def _score(self, io: IO, member: Any) -> Score | None:
        """Return the score of *member* as it is now; None for who is absent."""
        row = await io.run(READ, keys=self._keys, args=[0, self.members.text(member)])
        return parsed(row[1]) if row else None

    async def _rank(self, io: IO, member: Any) -> int | None:
        """Return the rank of *member*, from 1; None for who is absent."""
        place = await io.redis.zrevrank(self._keys[0], self.members.text(member))
        return None if place is None else cast(int, place) + 1

    async def _remove(self, io: IO, member: Any) -> bool:
        """Remove *member*; returns whether it was there."""
        return bool(await io.redis.zrem(self._keys[0], self.members.text(member)))

    async def forget(self, io: IO, texts: Sequence[str]) -> None:
        """Remove members whose rows are gone."""
        await io.redis.zrem(self._keys[0], *texts)

    hit, ahit = both(_hit)
    top, atop = both(_top)
    score, ascore = both(_score)
    rank, arank = both(_rank)
    remove, aremove = both(_remove)

    @property
    def _keys(self) -> list[str]:
        return [key("trending", self.name), key("trending", self.name, "clock")]


def _milliseconds(half_life: str | float | timedelta) -> int:
    """Return a half life in milliseconds. Raises ValueError for what is none."""
    seconds: Any = half_life
    if isinstance(half_life, timedelta):
        seconds = half_life.total_seconds()
    elif isinstance(half_life, str) and (text := _TEXT.match(half_life)):
        seconds = int(text[1]) * _SECONDS[text[2]]
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0.001 <= seconds <= 10 * 366 * 86400:
        raise ValueError(
            f'half_life is "30m", "6h", "2d", "1w", seconds or a timedelta, up to 10 years: {half_life!r}.'
        )
    milliseconds: int = round(seconds * 1000)
    return milliseconds
