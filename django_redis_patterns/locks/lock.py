"""The lock: a context manager for threads and tasks, a decorator, and plain acquire and release."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from copy import copy
from datetime import timedelta
from enum import Enum
from functools import partial
from types import TracebackType
from typing import Any, Literal, ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary, ref

from django_redis_patterns.conf import settings
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.exceptions import LockError, LockLost, LockReentry, LockUnavailable, RedisUnavailable

from . import entered
from .atomic import locked_transaction, warn_before_commit
from .claim import Names
from .clock import seconds
from .decorators import OnBusy, locked
from .entered import me
from .held import Held
from .names import Lockable, names
from .place import Place
from .redlock import Redlock
from .state import read
from .turnstile import Holder
from .watch import Watch

P = ParamSpec("P")
T = TypeVar("T")
Duration = float | timedelta


class Default(Enum):
    """Says: as ``REDIS_PATTERNS["LOCKS"]`` has it."""

    DEFAULT = "the setting"


DEFAULT = Default.DEFAULT


class Lock:
    """A lock by name; see `lock` and `semaphore`, which make it. It may be used again and again, and by many at once:
    each use has a token of its own."""

    def __init__(
        self,
        what: Lockable,
        *,
        ttl: Duration | None = None,
        wait: Duration | Default | None = DEFAULT,
        max_hold: Duration | Default | None = DEFAULT,
        on_busy: OnBusy | None = None,
        connection: str | None = None,
        nodes: Sequence[str] = (),
        kind: Literal["locks", "semaphores"] = "locks",
        limit: int = 1,
    ) -> None:
        self._names = names(what)
        self._ttl = None if ttl is None else seconds(ttl, "ttl", least=0.01)
        self._wait = wait if wait is None or isinstance(wait, Default) else seconds(wait, "wait")
        self._max_hold = (
            max_hold if max_hold is None or isinstance(max_hold, Default) else seconds(max_hold, "max_hold")
        )
        if on_busy not in ("raise", "skip", None):
            raise ValueError(f'on_busy is "raise" or "skip", not {on_busy!r}.')
        self._on_busy = on_busy
        self._nodes = _checked_nodes(nodes, self._names, connection)
        self._connection = connection
        self._kind, self._limit = kind, limit
        self._acquired: WeakKeyDictionary[object, list[Held]] = WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"<Lock {self.name!r}>"

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return ", ".join(self._names)

    @property
    def connection(self) -> str:
        """The alias of the connection that keeps it."""
        return self._connection or next(iter(self._nodes), settings().locks.connection)

    @property
    def wait(self) -> float | None:
        """Seconds for which it is waited for; None: for ever."""
        return settings().locks.wait if isinstance(self._wait, Default) else self._wait

    async def _acquire(self, io: IO) -> Held:
        """Wait for the lock and return it, held. All of several names, or none.

        Raises `LockTimeout` when others hold it for all of ``wait``, `LockUnavailable` when Redis is away.
        """
        defaults = settings().locks
        ttl = self._ttl or defaults.ttl
        max_hold = defaults.max_hold if isinstance(self._max_hold, Default) else self._max_hold
        way = Redlock if self._nodes else Names
        try:
            held = Held(self.name, await way(self.places(), ttl, self.wait, max_hold).run(io))
        except RedisUnavailable as error:
            raise LockUnavailable(error.alias, error.__cause__ or error, ambiguous=error.ambiguous) from error
        self._remember(held)
        return held

    def release(self) -> None:
        """Release what this thread or task acquired last of this object; elsewhere use what `acquire` returned.

        Raises as `Held.release` does, and `LockError` when there is nothing.
        """
        self._mine().release()

    async def arelease(self) -> None:
        """Do the same in a coroutine."""
        await self._mine().arelease()

    async def _holders(self, io: IO) -> list[Holder]:
        """Return who holds it at this moment; of several names, who holds any of them."""
        states = await io.gather(*(read(io.on(place.connection), place.keys) for place in self.places()))
        return list(dict.fromkeys(holder for state in states for holder in state.holders))

    acquire, aacquire = both(_acquire)
    holders, aholders = both(_holders)

    def places(self) -> list[Place]:
        """Return where its names are kept, in the order in which everybody takes them; of Redlock, its nodes."""
        if self._nodes:
            return [Place(self._names[0], node) for node in self._nodes]
        return [Place(name, self.connection, self._kind, self._limit) for name in self._names]

    def renamed(self, what: Lockable) -> "Lock":
        """Return the same lock on something else."""
        other = copy(self)
        other._names, other._on_busy, other._acquired = names(what), None, WeakKeyDictionary()
        return other

    def _mine(self) -> Held:
        mine = self._acquired.get(me(), [])
        if not mine:
            raise LockError(f"This thread or task holds nothing of {self!r}: release what its acquire() returned.")
        return mine[-1]

    def _remember(self, held: Held) -> None:
        """Know *held* until it ends, but for no longer than this object and the thread or task are there: whoever is
        gone releases nothing, and is not renewed."""
        self._acquired.setdefault(me(), []).append(held)
        held.on_end = partial(_forget, ref(self), ref(me()))

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Decorate *function*: it runs while the lock is held. ``{}`` in the name takes from its arguments."""
        return cast(Callable[P, T], locked(self, self._names, function, self._on_busy or "raise"))

    def atomic(self, using: str | None = None) -> AbstractContextManager[Held]:
        """Return what locks, begins a transaction, commits or rolls back, and releases: in this order.

        ``using``: the database. A lock that is lost before the commit is a `LockLost`, which rolls back.
        """
        return locked_transaction(self, using)

    def __enter__(self) -> Held:
        self._refuse_decorator_options()
        self._refuse_reentry()
        held = self.acquire()
        entered.push(self, held)
        return held

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        held = entered.pop(self)
        try:
            held.release()
        except LockUnavailable as error:
            held.leave_behind(error)
        except LockLost:
            if kind is None:
                raise
        if kind is None:  # afterwards, as the next one is waiting
            warn_before_commit(self.name)

    async def __aenter__(self) -> Held:
        self._refuse_decorator_options()
        self._refuse_reentry()
        held = await self.aacquire()
        entered.push(self, held, Watch(held))
        return held

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        held, watch = entered.pop_watched(self)
        is_cancelled_by_us = watch.end() and kind is asyncio.CancelledError
        lost = LockLost(self.name, held.quorum.loss) if is_cancelled_by_us else None
        try:
            await held.arelease()
        except LockUnavailable as unavailable:
            held.leave_behind(unavailable)
        except LockLost as loss:
            lost = loss
        if lost and (kind is None or is_cancelled_by_us):
            raise lost from error

    def _refuse_decorator_options(self) -> None:
        if self._on_busy is not None:
            raise TypeError("on_busy is for the decorator: in a with block catch LockTimeout.")

    def _refuse_reentry(self) -> None:
        if self._limit == 1 and (name := entered.common(self.places())):
            raise LockReentry(name)


def _forget(lock: "ref[Lock]", who: "ref[object]", held: Held) -> None:
    this, by = lock(), who()
    if this is not None and by is not None:
        this._acquired[by].remove(held)
        if not this._acquired[by]:
            del this._acquired[by]


def lock(
    what: Lockable,
    *,
    ttl: Duration | None = None,
    wait: Duration | Default | None = DEFAULT,
    max_hold: Duration | Default | None = DEFAULT,
    on_busy: OnBusy | None = None,
    connection: str | None = None,
    nodes: Sequence[str] = (),
) -> Lock:
    """Return the lock of *what*: a name, a saved model instance, or several of these (all or none).

    ``ttl``: seconds after which a holder that died is out; a living one is renewed. ``wait``: seconds for which it is
    waited for, 0 not at all, None for ever. ``max_hold``: seconds after which a living holder is renewed no more (None:
    never). ``on_busy``, of a decorator: "raise" or "skip". ``connection``: an alias of ``REDIS_PATTERNS``. ``nodes``:
    three aliases or more, an odd number, of servers that know nothing of each other: the majority decides (Redlock).

        with lock("orders") as held: ...
        async with lock("orders", wait=0) as held: ...
        @lock("invoice:{order.pk}", wait=0, on_busy="skip")

    Guarantee: mutual exclusion for as long as clocks and failovers behave, and for every write that is made with
    ``held.save`` or ``held.fence`` whatever they do.
    """
    return Lock(what, ttl=ttl, wait=wait, max_hold=max_hold, on_busy=on_busy, connection=connection, nodes=nodes)


def _checked_nodes(nodes: Sequence[str], of: tuple[str, ...], connection: str | None) -> tuple[str, ...]:
    if not nodes:
        return ()
    if isinstance(nodes, str) or len(set(nodes)) != len(nodes) or len(nodes) < 3 or len(nodes) % 2 == 0:
        raise ValueError(
            f"nodes are three or more different aliases, an odd number so that one side wins: not {nodes!r}."
        )
    if len(of) > 1 or connection is not None:
        raise ValueError("nodes= locks one name, and says itself on which connections.")
    return tuple(nodes)


def semaphore(
    name: str,
    *,
    limit: int,
    ttl: Duration | None = None,
    wait: Duration | Default | None = DEFAULT,
    max_hold: Duration | Default | None = DEFAULT,
    on_busy: OnBusy | None = None,
    connection: str | None = None,
) -> Lock:
    """Return a lock that *limit* holders may have at once. Waiters come in in their order, as with `lock`.

    Names of semaphores and of locks are apart. Everybody should give the same limit: each asks by its own.
    """
    if type(limit) is not int or limit < 1:
        raise ValueError(f"limit is how many may be in at once, a whole number from 1, not {limit!r}.")
    options: Any = {"ttl": ttl, "wait": wait, "max_hold": max_hold, "on_busy": on_busy, "connection": connection}
    return Lock(name, kind="semaphores", limit=limit, **options)
