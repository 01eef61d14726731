"""Ids of jobs: when they were made, and chance; in the order in which a process makes them."""

import secrets
import threading
import time

_ALPHABET = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"  # in the order of its bytes
_VALUE = {letter: value for value, letter in enumerate(_ALPHABET)}
#: Letters of the time, in microseconds, and of chance.
TIME, CHANCE = 9, 11
LENGTH = TIME + CHANCE

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """Return 20 letters that no one else has, greater than all that this process made before."""
    global _last
    with _lock:
        _last = max(time.time_ns() // 1000, _last + 1)
        now = _last
    return _text(now, TIME) + _text(secrets.randbits(6 * CHANCE), CHANCE)


def made_at(id: str) -> float | None:
    """Return when *id* was made, in seconds since 1970 by the clock of who made it; None for ids of another kind."""
    if len(id) != LENGTH or not all(letter in _VALUE for letter in id):
        return None
    micros = 0
    for letter in id[:TIME]:
        micros = micros * 64 + _VALUE[letter]
    return micros / 1_000_000


def _text(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        letters.append(_ALPHABET[number & 63])
        number >>= 6
    return "".join(reversed(letters))
