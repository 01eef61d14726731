"""Locks: one holder at a time (or a few), in the order in which they came, told at once when their turn has come.

    with lock("orders", ttl=30, wait=10) as held: held.check(); held.save(order)
    async with lock("orders"): ...
    @lock("invoice:{order.pk}", wait=0, on_busy="skip")
    with lock("seat:7").atomic(): ...; with semaphore("thumbs", limit=4): ...

Acquire: one script, and nothing more until the grant comes by PUBLISH. Release: one script, that lets the next one in.
Held: one script per connection and ttl/3 for all that a process holds.
Promises: mutual exclusion for efficiency; for correctness the fence, a number that rises with every grant, which
``held.save`` makes the database compare. No lock without a time limit; who loses one is told. With Redis away
`LockUnavailable`, never a lock.
"""

from django_redis_patterns.exceptions import LockError, LockLost, LockReentry, LockTimeout, LockUnavailable, StaleFence

from .atomic import ReleasedBeforeCommit
from .held import Held
from .lock import Lock, lock, semaphore
from .only_one import OnlyOne
from .turnstile import Holder

__all__ = [
    "Held",
    "Holder",
    "Lock",
    "LockError",
    "LockLost",
    "LockReentry",
    "LockTimeout",
    "LockUnavailable",
    "OnlyOne",
    "ReleasedBeforeCommit",
    "StaleFence",
    "lock",
    "semaphore",
]
