"""What leaves for Redis because the database changed: after the commit, in one batch, and not at all on rollback.

``after_commit(board.add, "ann", 7)`` inside a transaction waits for its commit; a rolled-back savepoint takes its
share with it. Everything of one commit goes in one pipeline per Redis alias. A flush that fails is logged and
counted, and never turns a committed request into an error.
"""

import logging
from collections.abc import Callable
from typing import Any, ParamSpec

from django.db import DEFAULT_DB_ALIAS, transaction

from . import trace
from .operations import batch

P = ParamSpec("P")
Call = tuple[Callable[..., Any], tuple[Any, ...], tuple[tuple[str, Any], ...]]

logger = logging.getLogger("django_redis_patterns.commit")


class _Group:
    """The calls of one savepoint: Django drops the hook when that savepoint is rolled back."""

    def __init__(self, flush: "_Flush") -> None:
        self.calls: list[Call] = []
        self._flush = flush

    def __call__(self) -> None:
        self._flush.calls += self.calls


class _Flush:
    """The last hook of a transaction: sends what the groups before it left here."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __call__(self) -> None:
        calls, self.calls = self.calls, []
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
    """Return the group of the present savepoint, with the flush as the transaction's last hook.

    The flush keeps the savepoints it was first registered in, so it lives as long as the first call does.
    """
    hooks = connection.run_on_commit
    at = next((i for i in reversed(range(len(hooks))) if isinstance(hooks[i][1], _Flush)), None)
    if at is None:
        transaction.on_commit(_Flush(), using=connection.alias, robust=True)
        at = len(hooks) - 1
    if at == len(hooks) - 1 and at and _is_present(hooks[at - 1], connection):
        group: _Group = hooks[at - 1][1]
        return group
    flush = hooks.pop(at)
    group = _Group(flush[1])
    transaction.on_commit(group, using=connection.alias, robust=True)
    hooks.append(flush)
    return group


def _is_present(hook: tuple[Any, ...], connection: Any) -> bool:
    return isinstance(hook[1], _Group) and hook[0] == set(connection.savepoint_ids)


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
