"""Leases of children: until when each is alive, by the clock of Redis, whatever its own process is busy with."""

from collections.abc import Sequence

from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script

HOLD = Script("hold.lua", idempotent=True)


async def _hold(io: IO, alias: str, live: str, names: Sequence[str], seconds: float) -> list[str]:
    """Prolong the leases *names* in the sorted set *live* to *seconds* from now; 0 ends them.

    Returns those that had run out: what these children had may have been taken over. They are alive again.
    """
    lapsed = await io.on(alias).run(HOLD, keys=[live], args=[round(seconds * 1000), *names])
    return [name.decode() if isinstance(name, bytes) else name for name in lapsed]


hold, ahold = both(_hold)
