"""The keys of one cache among all keys of a database: as a pattern, to be walked in bounded steps."""

import re
from typing import Any

from django_redis_patterns.core.keys import escaped
from django_redis_patterns.core.operations import IO
from django_redis_patterns.exceptions import InvalidConfiguration

#: How many keys Redis looks at in one step, where nobody says otherwise.
STEP = 1000

_KEY, _VERSION = "\0key\0", "\0version\0"


class Keyspace:
    """All keys of *cache*, in every version.

    ``pattern`` finds them; `owns` tells them from those of a cache whose prefix begins like this one's, because
    versions are integers.
    """

    def __init__(self, cache: Any) -> None:
        pieces = re.split(f"({_KEY}|{_VERSION})", cache.key_func(_KEY, cache.key_prefix, _VERSION))
        if _KEY not in pieces or not "".join(pieces[::2]):
            raise InvalidConfiguration(
                "This cache's KEY_FUNCTION does not show which keys are its own, so clear() would take others with "
                "them. Write one whose result holds the prefix and the key as they are, as Django's does."
            )
        version = rf"(?:-?\d+|{re.escape(str(cache.version))})"
        mine = {_KEY: ".*", _VERSION: version}
        self.pattern = "".join("*" if piece in mine else escaped(piece) for piece in pieces)
        self._owned = re.compile("".join(mine.get(piece) or re.escape(piece) for piece in pieces).encode(), re.DOTALL)

    def owns(self, key: bytes) -> bool:
        """Return whether *key* is one of them."""
        return self._owned.fullmatch(key) is not None


class Walk:
    """Every key that is there all the time, at least once (SCAN); on a cluster those of every primary."""

    def __init__(self, io: IO, pattern: str, step: int) -> None:
        self._io, self._pattern, self._step = io, pattern, step
        self._cursors = {"": 0}  # by the name of a node: where there are several, all are asked first

    def __bool__(self) -> bool:
        return bool(self._cursors)

    async def next(self) -> list[bytes]:
        """Return some more keys: perhaps none, and perhaps some of before."""
        node, cursor = self._cursors.popitem()
        where = {"target_nodes": node} if node else {}
        told: Any = await self._io.redis.scan(cursor, match=self._pattern, count=self._step, **where)
        cursors = told[0] if isinstance(told[0], dict) else {node: told[0]}
        self._cursors |= {name: place for name, place in cursors.items() if place}
        return list(told[1])
