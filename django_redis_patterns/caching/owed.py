"""Invalidations that did not reach Redis: tried again until they do, for as long as this process lives.

A change that is committed stands, whatever Redis does. Until what it owes is paid, this process does not read what it
should have invalidated.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections.clients import on_reset
from django_redis_patterns.exceptions import RedisPatternsError

from .place import Target

#: Seconds between two attempts, how many are paid by one, and how many are remembered.
AGAIN, MOST_AT_ONCE, MOST = 0.5, 1000, 100_000

logger = logging.getLogger("django_redis_patterns.caching")

_owed: dict[Target, int] = {}
_guard = threading.Lock()
_pause = threading.Event()
_thread: threading.Thread | None = None


def owe(targets: Iterable[Target], pay: Callable[..., Any]) -> None:
    """Remember *targets*; ``pay(*targets)`` is tried until it does not raise."""
    global _thread
    with _guard:
        for target in targets:
            if target in _owed or len(_owed) < MOST:
                _owed[target] = _owed.get(target, 0) + 1
            else:
                trace.count("caching.not_invalidated")
        if _thread is None and _owed:
            _thread = threading.Thread(target=_run, args=[pay], name="redis-caching-owed", daemon=True)
            _thread.start()


def paid(targets: Iterable[Target]) -> None:
    """It has been done since, or something better."""
    if _owed:
        with _guard:
            for target in targets:
                _owed.pop(target, None)


def is_owed(targets: Iterable[Target]) -> bool:
    """Return whether one of *targets* has not been invalidated yet."""
    return bool(_owed) and any(target in _owed for target in targets)


def _run(pay: Callable[..., Any]) -> None:
    global _thread
    while True:
        _pause.wait(AGAIN)
        with _guard:
            mine = list(_owed)[:MOST_AT_ONCE]
            if not mine:
                _thread = None
                return
        try:
            pay(*mine)
        except RedisPatternsError:
            pass
        except Exception:  # it goes on: until it is paid nothing of it is read
            logger.exception("%d invalidation(s) could not be made good, and will be tried again.", len(mine))


def _start_anew() -> None:
    global _guard, _thread
    _guard, _thread = threading.Lock(), None
    _owed.clear()


on_reset(_owed.clear)
os.register_at_fork(after_in_child=_start_anew)
