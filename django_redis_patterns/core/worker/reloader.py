"""Starts the program anew when code changes, for development. It stands above the supervisor and outlives errors."""

import logging
import os
import select
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

from django.utils.autoreload import StatReloader, iter_all_python_module_files

from .lifeline import Lifeline
from .signals import Signals, kept_back

#: Seconds between two looks at the files.
LOOK = 1.0

logger = logging.getLogger("django_redis_patterns.worker")


class Reloader:
    """Runs this very command, until it ends well by itself or a signal comes."""

    def __init__(self) -> None:
        self._files = StatReloader()
        for folder in _own_folders():
            self._files.watch_dir(folder, "*.py")
        self._stamps = self._look()
        self._program: subprocess.Popen[bytes] | None = None
        self._is_stopping = False

    def run(self) -> int:
        """Work until the end; returns the exit code."""
        with Signals(signal.SIGCHLD) as signals:
            self._start()
            while self._program or not self._is_stopping:
                select.select([signals], [], [], LOOK)
                if set(signals.read()) - {signal.SIGCHLD}:
                    self._stop()
                self._reap()
                if self._has_changed():
                    self._restart()
        return 0

    def _start(self) -> None:
        self._line, far = Lifeline.pair()
        try:
            words = [sys.executable, *sys.orig_argv[1:], "--watched", str(far)]
            with kept_back():
                self._program = subprocess.Popen(words, pass_fds=[far])
        finally:
            os.close(far)

    def _stop(self) -> None:
        """Let it drain; the second time, make it hurry."""
        if self._program and self._is_stopping:
            self._program.terminate()
        self._is_stopping = True
        self._line.close()

    def _reap(self) -> None:
        if self._program and (code := self._program.poll()) is not None:
            self._program = None
            self._is_stopping |= code == 0
            if code:
                logger.error("It ended with code %d, and starts again when code changes.", code)

    def _restart(self) -> None:
        if self._is_stopping:
            return
        logger.info("Code has changed: starting anew.")
        self._line.close()
        if self._program:
            self._program.wait()
        self._start()

    def _has_changed(self) -> bool:
        before, self._stamps = self._stamps, self._look()
        return before != self._stamps

    def _look(self) -> dict[Path, float]:
        return dict(self._files.snapshot_files())


def _own_folders() -> set[Path]:
    """Return the folders of the modules that are not installed: new files appear there, and those that were broken."""
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    files = (Path(file).resolve() for file in iter_all_python_module_files())
    return {file.parent for file in files if not installed & set(file.parents)}
