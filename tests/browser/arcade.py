"""Runs Redis Arcade as anybody would: by ``manage.py demo``."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MANAGE = Path(__file__).resolve().parents[2] / "testproject" / "manage.py"
DEMO = [sys.executable, "-W", "error", str(MANAGE), "demo"]
PLAYER, PASSWORD = "ada", "analytical-engine"


class Arcade:
    """One running demo. ``banner`` is what it printed, ``url`` its address without the last slash."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self.process = process
        self.errors = errors
        self.banner = self._read_banner()
        self.url = self._find(r"(http://\S+)/\s")

    @property
    def own_redis_port(self) -> int:
        return int(self._find(r"started on port (\d+)"))

    def interrupt(self) -> int:
        """Press Ctrl-C; return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=20)

    def _read_banner(self) -> str:
        lines = []
        for line in self.process.stdout or ():
            lines.append(line)
            if "Ctrl-C" in line:
                return "".join(lines)
        raise AssertionError(f"The demo ended early: {''.join(lines)}\n{self.errors.read_text()}")

    def _find(self, pattern: str) -> str:
        found = re.search(pattern, self.banner)
        assert found, self.banner
        return found[1]


def environment(folder: Path) -> dict[str, str]:
    """The tests' own environment, without what would lead the demo to other servers or settings."""
    env = {name: value for name, value in os.environ.items() if name not in {"REDIS_URL", "DATABASE_URL"}}
    return env | {"SQLITE_PATH": str(folder / "arcade.sqlite3"), "DJANGO_SETTINGS_MODULE": "testproject.settings"}


@contextmanager
def arcade(
    folder: Path, *, redis_url: str | None = None, bots: float = 0, machines: int = 0, worker: bool = False
) -> Iterator[Arcade]:
    """Run the demo on a free port with its database in *folder*; warnings are errors there too.

    The bots play about every *bots* seconds, with 0 not at all. *machines* run the consumers of streams, and a *worker*
    runs tasks.
    """
    env = environment(folder) | ({"REDIS_URL": redis_url} if redis_url else {})
    errors = folder / "errors.txt"
    command = [*DEMO, "--port", "0", "--bots", str(bots), "--machines", str(machines)]
    command += [] if worker else ["--no-worker"]
    with (
        errors.open("w") as stderr,
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
    ):
        try:
            yield Arcade(process, errors)
        finally:
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    """End the demo, if it still runs."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
