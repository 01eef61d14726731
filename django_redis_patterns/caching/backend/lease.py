"""Who computes a cold entry, and that it may not be stored once it was invalidated.

The lease lies under the entry's own key, where the value will lie (memcached's leases, Nishtala et al., "Scaling
Memcache at Facebook", NSDI 2013). So whoever writes or deletes the key, in whatever way, also ends the lease, and what
its holder computes is not stored. A lease that is over lets another one compute too; the first who is done stores.
"""

from dataclasses import dataclass, field
from hashlib import sha1
from secrets import token_hex
from typing import Any

from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script

CLAIM = Script("claim.lua", idempotent=True)
SETTLE = Script("settle.lua", idempotent=True)

#: How a lease begins; no serializer's value does.
LEASE = b"\0lease:"
#: The first pause of who waits, in seconds; the next ones are a share of the time waited, so that few looks find the
#: value soon after it is there.
FIRST_LOOK, SHARE = 0.005, 0.1


@dataclass
class Lease:
    """One caller's lease of *entry* on *connection*, or its wait for another's; it holds *ttl* seconds."""

    connection: str
    entry: str
    ttl: float
    token: str = field(default_factory=lambda: token_hex(8))
    unreadable: str = ""
    waited: float = 0

    async def claim(self, io: IO) -> bytes | None:
        """Return the value as soon as somebody stores one, None when it is on us to compute it."""
        while True:
            args = [LEASE, self.token, int(self.ttl * 1000), self.unreadable]
            told: bytes | int = await io.run(CLAIM, keys=[self.entry], args=args)
            if not isinstance(told, int):
                return told
            if told:
                return None
            pause = max(FIRST_LOOK, SHARE * self.waited)
            await io.sleep(pause)
            self.waited += pause

    def refuse(self, stored: bytes) -> None:
        """Let the next claim pass over *stored*, which cannot be read."""
        self.unreadable = sha1(stored, usedforsecurity=False).hexdigest()

    async def store(self, io: IO, stored: Any, ttl_ms: int | None) -> None:
        """Put the value in the lease's place, if it is still there; a ttl of None is for ever, one of 0 is over."""
        if ttl_ms is not None and ttl_ms <= 0:
            return await self.end(io)
        await io.run(SETTLE, keys=[self.entry], args=[LEASE, self.token, stored, ttl_ms or 0])

    async def end(self, io: IO) -> None:
        """Let the next one compute it."""
        await io.run(SETTLE, keys=[self.entry], args=[LEASE, self.token, b"", 0])

    async def _give_back(self, io: IO) -> None:
        """Do so behind everybody's back."""
        await self.end(io)

    give_back, agive_back = both(_give_back)
