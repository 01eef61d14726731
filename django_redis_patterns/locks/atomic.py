"""Locks and transactions: what is written under a lock has to be committed before the next one comes in."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import connections, transaction

from .held import Held

if TYPE_CHECKING:
    from .lock import Lock


class ReleasedBeforeCommit(RuntimeWarning):
    """A lock was released in an open transaction: the next holder does not see yet what was written under it."""


@contextmanager
def locked_transaction(lock: "Lock", using: str | None) -> Iterator[Held]:
    """Lock, BEGIN, the body, COMMIT or ROLLBACK, release.

    A lock that is lost before the commit is a `LockLost`, which rolls back. Inside of another transaction it is
    refused with a RuntimeError: that one would commit after the release.
    """
    with lock as held, transaction.atomic(using, durable=True):
        yield held
        held.check()


def warn_before_commit(name: str) -> None:
    """Warn when this thread releases the lock *name* in an open transaction; one of Django's tests is none."""
    for connection in connections.all(initialized_only=True):
        blocks: list[Any] = connection.atomic_blocks
        if any(not block._from_testcase for block in blocks):
            message = (
                f"The lock {name!r} is released in an open transaction on {connection.alias!r}: the next holder does "
                f"not see yet what was written. Use lock({name!r}).atomic(), or lock around the transaction."
            )
            warnings.warn(message, ReleasedBeforeCommit, stacklevel=3)
