"""For Django's `TestCase`, whose transaction never commits."""

from contextlib import AbstractContextManager
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.test import TestCase


def committed(using: str = DEFAULT_DB_ALIAS) -> AbstractContextManager[Any]:
    """Run, at the end of the block, what a commit of *using* would have run for it: the flush to Redis too.

    with committed():
        player.save()
    assert board.rank(player) == 1
    """
    return TestCase.captureOnCommitCallbacks(using=using, execute=True)
