"""The name of a process, which no other ever has, and from which a neighbour can tell that it is dead."""

import os
import socket
import time
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path

PROC = Path("/proc")


def name_of(pid: int) -> str:
    """Return the name of the process *pid*: host, pid, when it started, and where pids mean what they mean here."""
    host = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in socket.gethostname())
    return f"{host}.{pid}.{_started(pid) or time.time_ns()}.{_world()}"


def is_surely_dead(name: str) -> bool:
    """Return whether the process *name* ran on this machine, among these pids, and does so no more.

    False may mean that nobody can tell from here: it is elsewhere, or this system has no ``/proc``.
    """
    _, pid, started, world = (name.split(".") + [""] * 4)[:4]
    return bool(world) and world == _world() and _started(int(pid)) != started


def _started(pid: int) -> str:
    """Return when *pid* started, in ticks since the machine did; "" for none, and for one that waits to be buried."""
    with suppress(OSError):
        # Behind the name, which may hold anything, come state and ppid; the start is the 20th word from there.
        words = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return "" if words[0] in "ZX" else words[19]
    return ""


@cache
def _world() -> str:
    """Return what tells this boot of this machine, and this container, from all others; "" where that is unknown."""
    with suppress(OSError):
        boot = (PROC / "sys/kernel/random/boot_id").read_text()
        return blake2b(f"{boot}{os.stat(PROC / 'self/ns/pid').st_ino}".encode(), digest_size=6).hexdigest()
    return ""
