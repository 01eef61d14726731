"""A machine that runs ``manage.py redis consume`` or ``worker``: a process tree, from which the plug can be pulled."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from django.conf import settings

from django_redis_patterns.core.worker.identity import name_of
from django_redis_patterns.core.worker.lifeline import Lifeline

PROCESSES, GRACE = 2, 5  # s that a handler gets to come to its end
PATIENCE = 20.0  # s; only a machine that hangs takes that long
T = TypeVar("T")


class Machine:
    """One of them. All of its processes are of one process group, and of no other's: that is what may be killed here.

    It ends, when its handlers have, as soon as the site is gone, however that came about.
    """

    def __init__(self, number: int, *program: str) -> None:
        self.number, self.release = number, 0
        self._program = program or ("consume",)
        self._popen: subprocess.Popen[bytes] | None = None
        self._line: Lifeline | None = None

    @property
    def is_on(self) -> bool:
        """Whether it runs."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def pid(self) -> int:
        """The number of its supervisor, and of its process group."""
        return self._popen.pid if self._popen else 0

    def start(self, release: int) -> None:
        """Start it with the code of that *release*."""
        self.shut_down()
        self.release = release
        self._line, far = Lifeline.pair()
        manage = str(settings.BASE_DIR / "manage.py")
        python = [sys.executable, *(f"-W{option}" for option in sys.warnoptions)]
        command = [*python, manage, "redis", "-v", "0", *self._program]
        options = ["--processes", str(PROCESSES), "--grace", str(GRACE), "--watched", str(far)]
        redis = settings.REDIS_PATTERNS["CONNECTIONS"]["default"]["URL"]
        try:
            self._popen = subprocess.Popen(
                [*command, *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=os.environ | {"REDIS_URL": redis, "ARCADE_RELEASE": str(release)},
                pass_fds=[far],
                process_group=0,
            )
        finally:
            os.close(far)

    def shut_down(self) -> None:
        """Let it finish what it has begun, and end."""
        if self._line:
            self._line.close()

    def wait(self) -> None:
        """See to it that it has ended."""
        self.shut_down()
        if self._popen is None:
            return
        try:
            self._popen.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.pull_the_plug(lambda: None)
            self._popen.wait()

    def runs(self, name: str) -> bool:
        """Return whether the consumer *name* is one of its processes, alive."""
        pid = pid_of(name)
        with suppress(OSError):
            return self.is_on and pid not in (0, self.pid) and os.getpgid(pid) == self.pid and name_of(pid) == name
        return False

    def kill(self, name: str, look: Callable[[], T]) -> T | None:
        """Kill that process. Returns what *look* sees when it stands still already, None if it was not there."""
        return _kill(partial(os.kill, pid_of(name)), look) if self.runs(name) else None

    def pull_the_plug(self, look: Callable[[], T]) -> T | None:
        """Kill all of it at once; the same."""
        return _kill(partial(os.killpg, self.pid), look) if self.is_on else None


def _kill(send: Callable[[int], None], look: Callable[[], T]) -> T | None:
    try:
        send(signal.SIGSTOP)
        try:
            return look()
        finally:
            send(signal.SIGKILL)
    except ProcessLookupError:
        return None


def pid_of(name: str) -> int:
    """Return the number of the process of a consumer, 0 if it has none."""
    _, pid = f"{name}..".split(".")[:2]
    return int(pid) if pid.isascii() and pid.isdigit() else 0
