"""The turnstile of the locks room: one lock, what Redis says of it, and how it is released by force."""

from arcade.topics import LockTopic
from django_redis_patterns.locks import Lock, lock
from django_redis_patterns.locks.place import owner
from django_redis_patterns.locks.state import State, Waiter, states
from django_redis_patterns.locks.turnstile import evict

TTL, HOLD, WAIT = 4.0, 2.5, 60.0  # s
TOPIC = LockTopic(lock="turnstile")


def turnstile() -> Lock:
    """Return the lock, a new object each time: whoever forgets it and what it gave holds nothing any more."""
    return lock("turnstile", ttl=TTL, wait=WAIT)


def state() -> State:
    """Return who is in and who waits, as Redis has it."""
    (place,) = turnstile().places()
    (found,) = states(place.connection, [place.keys])
    return found


def own_waiters(found: State) -> list[Waiter]:
    """Return those of this process who wait."""
    return [waiter for waiter in found.waiters if waiter.owner == owner()]


def put_out(fence: int) -> bool:
    """Release the turnstile by force if the holder with *fence* is in; it is told. Returns whether it was."""
    (place,) = turnstile().places()
    is_in = any(holder.fence == fence for holder in state().holders)
    return is_in and bool(evict(place))
