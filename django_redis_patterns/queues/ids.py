"""Ids of jobs: when they were made, and chance; in the order in which a process makes them."""

import base64
import os
import string
import threading
import time

_ALPHABET = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"  # in the order of its bytes
_LETTERS = frozenset(_ALPHABET)
_TO_BASE64 = str.maketrans(_ALPHABET, string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/")
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
#: Letters of the time, in units of 16 microseconds, and of chance.
TIME, CHANCE, UNIT = 8, 12, 16_000
LENGTH = TIME + CHANCE

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """Return 20 letters that no one else has, greater than all that this process made before."""
    global _last
    with _lock:
        now = _last = max(time.time_ns() // UNIT, _last + 1)
    chance = base64.urlsafe_b64encode(os.urandom(9)).decode()
    pairs = _PAIRS
    return pairs[now >> 36] + pairs[now >> 24 & 4095] + pairs[now >> 12 & 4095] + pairs[now & 4095] + chance


def made_at(id: str) -> float | None:
    """Return when *id* was made, in seconds since 1970 by the clock of who made it; None for ids of another kind."""
    if len(id) != LENGTH or not _LETTERS.issuperset(id):
        return None
    units = int.from_bytes(base64.b64decode(id[:TIME].translate(_TO_BASE64)), "big")
    return units * UNIT / 1e9
