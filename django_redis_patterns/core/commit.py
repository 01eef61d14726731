"""What leaves for Redis because the database changed: after the commit, in one batch, and not at all on rollback.

``after_commit(board.add, "ann", 7)`` inside a transaction waits for its commit; a rolled-back savepoint takes its
share with it. Everything of one commit goes in one pipeline per Redis alias, and what that causes (receivers of
signals) in one more. A flush that fails is logged and counted, and never turns a committed request into an error.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ParamSpec
from weakref import WeakKeyDictionary, ref

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from . import trace
from .operations import batch

P = ParamSpec("P")

logger = logging.getLogger("django_redis_patterns.commit")


@dataclass(frozen=True)
class _Call:
    """What a commit sends; the ``items`` of all calls of an equal operation go together."""

    operation: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()
    items: tuple[Any, ...] = ()


@dataclass
class _Flushing:
    """While a flush is being sent: what it causes. A task that it started may outlive it."""

    caused: list[_Call] = field(default_factory=list)
    is_over: bool = False


_flushing: ContextVar[_Flushing | None] = ContextVar("redis_patterns_flushing", default=None)
#: Connections to databases on which something was left, until it is noticed that nothing is any more.
_leaving: set[ref[Any]] = set()


class _Told:
    """What the open transaction of a connection has left, read as it grows: each look into a cache asks for it."""

    def __init__(self) -> None:
        self.begin([])

    def begin(self, hooks: list[Any]) -> None:
        """Read *hooks* from the start."""
        self._hooks, self._read = hooks, 0
        self._things: dict[Callable[..., Any], set[Any]] = {}

    def things(self, connection: Any, operation: Callable[..., Any]) -> set[Any]:
        """Return what was left for *operation*, but for what cannot be hashed."""
        hooks = connection.run_on_commit
        if hooks is not self._hooks:  # Django makes a new list at each rollback
            self.begin(hooks)
        while self._read < len(hooks):
            hook = hooks[self._read][1]
            self._read += 1
            if isinstance(hook, _Kept) and not hook.has_run:
                with suppress(TypeError):
                    self._things.setdefault(hook.call.operation, set()).update(hook.call.args, hook.call.items)
        return self._things.get(operation, set())


_told: WeakKeyDictionary[Any, _Told] = WeakKeyDictionary()


class _Kept:
    """One call: Django drops the hook when its savepoint is rolled back."""

    def __init__(self, call: _Call, left: list[_Call], told: _Told) -> None:
        self.call = call
        self.has_run = False  # a test may run the hooks of a transaction that goes on
        self._left, self._told = left, told

    def __call__(self) -> None:
        self.has_run = True
        self._told.begin([])
        self._left.append(self.call)


class _Flush:
    """Sends what the hooks before it left, if it is the last one of its transaction."""

    def __init__(self, left: list[_Call]) -> None:
        self.left = left
        self.is_last = True

    def __call__(self) -> None:
        if self.is_last:
            calls = self.left[:]
            self.left.clear()
            _send(calls)


def after_commit(operation: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run *operation* (a sync face) when the transaction on the default database commits; at once outside of one.

    Equal calls of one transaction are sent once. As Django's ``on_commit`` it raises `TransactionManagementError` in a
    transaction that is managed by hand.
    """
    after_commit_of(DEFAULT_DB_ALIAS, operation, *args, **kwargs)


def after_commit_of(using: str, operation: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> None:
    """Do the same for the database *using*."""
    _leave(using, _Call(operation, args, tuple(kwargs.items())))


def after_commit_together(using: str, operation: Callable[..., Any], /, *items: Any) -> None:
    """Do the same, once for all items of a commit: ``operation(*items)`` gets each item once, in their order.

    Items are hashable.
    """
    _leave(using, _Call(operation, items=items))


def left_for_commit(connection: Any, operation: Callable[..., Any], /) -> set[Any]:
    """Return the arguments that the open transaction of *connection* has left for *operation*, and not rolled back."""
    return _told[connection].things(connection, operation) if connection in _told else set()


def open_databases() -> list[str]:
    """Return the databases on which this thread is in a transaction."""
    return [one.alias for one in connections.all(initialized_only=True) if one.in_atomic_block]


def leaving() -> list[Any]:
    """Return this thread's connections whose open transaction has left something. At no cost when none in the process
    has: it is asked at each look into a cache.
    """
    if not _leaving:
        return []
    mine = connections.all(initialized_only=True)
    found = [one for one in mine if one.in_atomic_block and one.run_on_commit]
    for one in mine:
        if one not in found:
            _leaving.discard(ref(one))
            _told.pop(one, None)
    return found


def _leave(using: str, call: _Call) -> None:
    connection = transaction.get_connection(using)
    if connection.in_atomic_block:
        _keep(connection, call)
    elif (flushing := _flushing.get()) is not None and not flushing.is_over:
        flushing.caused.append(call)
    elif is_manual(connection):
        raise transaction.TransactionManagementError(
            f"Nobody tells when a transaction on {using!r} that is managed by hand commits: use transaction.atomic()."
        )
    else:
        _send([call])


def is_manual(connection: Any) -> bool:
    """Return whether *connection* is in a transaction of `set_autocommit(False)` and in no atomic block."""
    is_connected = connection.connection is not None
    return is_connected and not connection.autocommit and not connection.in_atomic_block


def _keep(connection: Any, call: _Call) -> None:
    """Add two hooks: the call, and a flush, which is now the transaction's last.

    A later flush takes the savepoints of the first, so that it lives as long as the first call does. No call joins the
    hooks of another, so that a test may capture those of a block.
    """
    hooks = connection.run_on_commit
    before = next((hook for hook in reversed(hooks) if isinstance(hook[1], _Flush)), None)
    left = before[1].left if before else []
    flush, told = _Flush(left), _told.setdefault(connection, _Told())
    transaction.on_commit(_Kept(call, left, told), using=connection.alias, robust=True)
    if before is None:
        transaction.on_commit(flush, using=connection.alias, robust=True)
    else:
        before[1].is_last = False
        hooks.append((before[0], flush, *before[2:]))
    _leaving.add(ref(connection, _leaving.discard))


def _send(calls: list[_Call]) -> None:
    while calls:
        flushing = _Flushing()
        token = _flushing.set(flushing)
        try:
            _flush(calls)
        finally:
            _flushing.reset(token)
            flushing.is_over = True
        calls = flushing.caused


def _flush(calls: list[_Call]) -> None:
    try:
        with batch() as together:
            for call in _merged(_once(calls)):
                together(call.operation, *call.args, *call.items, **dict(call.kwargs))
    except Exception as error:
        trace.count("commit.failed")
        logger.error("%d change(s) of a committed transaction did not reach Redis: %s", len(calls), error)


def _once(calls: list[_Call]) -> list[_Call]:
    unique: list[_Call] = []
    seen: set[_Call] = set()
    for call in calls:
        try:
            if call in seen:
                continue
            seen.add(call)
        except TypeError:  # unhashable arguments cannot be compared cheaply: send them all
            pass
        unique.append(call)
    return unique


def _merged(calls: list[_Call]) -> list[_Call]:
    together: dict[Any, dict[Any, None]] = {}
    for call in calls:
        if call.items:
            together.setdefault(call.operation, {}).update(dict.fromkeys(call.items))
    items = [_Call(operation, items=tuple(items)) for operation, items in together.items()]
    return [call for call in calls if not call.items] + items
