"""What leaves for Redis because the database changed: after the commit, in one batch, and not at all on rollback.

``after_commit(board.add, "ann", 7)`` inside a transaction waits for its commit; a rolled-back savepoint takes its
share with it. Everything of one commit goes in one pipeline per Redis alias. A flush that fails is logged and
counted, and never turns a committed request into an error.
"""

import logging
from collections.abc import Callable
from typing import Any, ParamSpec, cast

from django.db import DEFAULT_DB_ALIAS, transaction

from . import trace
from .operations import batch

P = ParamSpec("P")
Call = tuple[Callable[..., Any], tuple[Any, ...], tuple[tuple[str, Any], ...]]

logger = logging.getLogger("django_redis_patterns.commit")


class _Group:
    """The calls of one savepoint: Django drops the hook when that savepoint is rolled back."""

    def __init__(self, left: list[Call]) -> None:
        self.calls: list[Call] = []
        self.has_run = False
        self._left = left

    def __call__(self) -> None:
        self.has_run = True
        self._left += self.calls


class _Flush:
    """Sends what the groups before it left, if it is the last hook of its transaction."""

    def __init__(self, left: list[Call]) -> None:
        self.left = left
        self.is_last = True

    def __call__(self) -> None:
        if self.is_last:
            calls = self.left[:]
            self.left.clear()
            _send(calls)


def after_commit(operation: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run *operation* (a sync face) when the transaction on the default database commits; at once outside of one.

    Equal calls of one transaction are sent once.
    """
    after_commit_of(DEFAULT_DB_ALIAS, operation, *args, **kwargs)


def after_commit_of(using: str, operation: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> None:
    """Do the same for the database *using*."""
    connection = transaction.get_connection(using)
    call: Call = (operation, args, tuple(kwargs.items()))
    if connection.in_atomic_block:
        _group(connection).calls.append(call)
    else:
        _send([call])


def _group(connection: Any) -> _Group:
    """Return the group of the present savepoint, followed by the transaction's last hook, a flush.

    A later flush takes the savepoints of the first, so that it lives as long as the first call does.
    """
    hooks = connection.run_on_commit
    before = next((hook for hook in reversed(hooks) if isinstance(hook[1], _Flush)), None)
    if before is not None and before is hooks[-1] and _is_present(hooks[-2], connection):
        return cast(_Group, hooks[-2][1])
    left = before[1].left if before else []
    group, flush = _Group(left), _Flush(left)
    transaction.on_commit(group, using=connection.alias, robust=True)
    if before is None:
        transaction.on_commit(flush, using=connection.alias, robust=True)
    else:
        before[1].is_last = False
        hooks.append((before[0], flush, *before[2:]))
    return group


def _is_present(hook: tuple[Any, ...], connection: Any) -> bool:
    return isinstance(hook[1], _Group) and not hook[1].has_run and hook[0] == set(connection.savepoint_ids)


def _send(calls: list[Call]) -> None:
    try:
        with batch() as together:
            for operation, args, kwargs in _once(calls):
                together(operation, *args, **dict(kwargs))
    except Exception as error:
        trace.count("commit.failed")
        logger.error("%d change(s) of a committed transaction did not reach Redis: %s", len(calls), error)


def _once(calls: list[Call]) -> list[Call]:
    unique: list[Call] = []
    seen: set[Call] = set()
    for call in calls:
        try:
            if call in seen:
                continue
            seen.add(call)
        except TypeError:  # unhashable arguments cannot be compared cheaply: send them all
            pass
        unique.append(call)
    return unique
