"""One thread that prolongs the leases of calls that take long: so a lease can be short, and a dead process is soon
succeeded."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django_redis_patterns.conf import settings
from django_redis_patterns.core.operations import batch
from django_redis_patterns.exceptions import RedisPatternsError

from .leases import prolong
from .place import Place

_held: dict[str, Place] = {}
_guard = threading.Lock()
_wake = threading.Event()
_thread: threading.Thread | None = None
_pause = 0.0


@contextmanager
def kept(place: Place, token: str) -> Iterator[None]:
    """Prolong the lease of *token* while the block runs."""
    global _thread
    with _guard:
        _held[token] = place
        if _thread is None:
            _thread = threading.Thread(target=_run, name="redis-caching-leases", daemon=True)
            _thread.start()
        elif settings().caching.lease / 3 < _pause:
            _wake.set()
    try:
        yield
    finally:
        _held.pop(token, None)


def _run() -> None:
    global _pause
    is_idle = False
    while True:
        _pause = settings().caching.lease / 3
        _wake.wait(_pause)
        _wake.clear()
        if held := list(_held.items()):
            with suppress(RedisPatternsError), batch(return_exceptions=True) as together:
                for token, place in held:  # where it fails the lease ends, and somebody else begins
                    together(prolong, place, token)
        if _ends(is_idle):
            return
        is_idle = not _held


def _ends(has_idled: bool) -> bool:
    global _thread
    with _guard:
        if has_idled and not _held:
            _thread = None
            return True
        return False


def _start_anew() -> None:
    global _guard, _thread
    _guard, _thread = threading.Lock(), None
    _held.clear()


os.register_at_fork(after_in_child=_start_anew)
