"""A program at work, its diary, and what Redis holds of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings

from tests.core.worker import room

#: Seconds that nobody has to wait for anything.
PATIENCE = 30.0
ROOT = Path(__file__).parents[3]


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Return *condition*'s first true value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)
    return value


@dataclass(frozen=True)
class Process:
    """One that we did not start ourselves."""

    pid: int

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    @property
    def is_gone(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        return False


def below(pid: int) -> list[Process]:
    """Return the children of *pid*, and theirs, the oldest first."""
    told = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, told.splitlines())}
    own = sorted(child for child, parent in parents.items() if parent == pid)
    return [found for child in own for found in (Process(child), *below(child))]


class Program:
    """One supervisor with what is below it. Ends with the test, whatever it does."""

    def __init__(self, folder: Path, redis: redis.Redis, connection: dict[str, Any]) -> None:
        self.diary, self._log = folder / "diary", folder / f"log-{len(list(folder.glob('log-*')))}"
        self.diary.touch()
        self._redis = redis
        self._environment = {
            **os.environ,
            "DIARY": str(self.diary),
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PYTHONPATH": str(ROOT),
            "TEST_REDIS_CONNECTION": json.dumps(connection),
        }

    def start(self, *words: str, lease: float = 10.0, **environment: str) -> "Program":
        command = [sys.executable, "-W", "error", "-m", "tests.core.worker.program", "--lease", str(lease), *words]
        with self._log.open("ab") as log:
            self._program = subprocess.Popen(
                command, cwd=ROOT, env=self._environment | environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.process = Process(self._program.pid)
        return self

    @property
    def log(self) -> str:
        return self._log.read_text()

    def children(self) -> list[Process]:
        """Those that hold a lease, the oldest first."""
        pids = [int(name.split(".")[1]) for name in self._redis.zrangebyscore(room.LIVE, 1, "+inf")]
        return [child for child in below(self.process.pid) if child.pid in pids]

    def wait(self) -> int:
        return self._program.wait(PATIENCE)

    def end(self) -> None:
        self.process.thaw()
        for process in (self.process, *below(self.process.pid)):
            process.kill()
        self._program.wait()


class Site:
    """Programs, words, and what became of them."""

    def __init__(self, folder: Path, redis: redis.Redis, connection: dict[str, Any] | None = None) -> None:
        self.folder, self.redis = folder, redis
        self.connection = connection or settings.REDIS_PATTERNS["CONNECTIONS"]["default"]
        self.programs: list[Program] = []

    def program(self, *words: str, **options: Any) -> Program:
        program = Program(self.folder, self.redis, self.connection)
        self.programs.append(program)
        return program.start(*words, **options)

    def end(self) -> None:
        for program in self.programs:
            program.end()
            print(program.log)  # which pytest shows when the test has failed

    def push(self, *words: str) -> None:
        self.redis.lpush(room.READY, *words)
        self.redis.lpush(room.BELL, *"!" * len(words))

    def noted(self, event: str) -> list[list[str]]:
        """Return the lines of the diary about *event*: word, pid, and what else was noted."""
        lines = (self.folder / "diary").read_text().splitlines()
        return [line.split()[1:] for line in lines if line.startswith(f"{event} ")]

    def runs(self) -> Counter[str]:
        return Counter(line[0] for line in self.noted("began"))

    def ends(self) -> dict[str, int]:
        """Return what was recorded, and how often: "ok WORD", "failed WORD", "back WORD", "refused WORD"."""
        return {end: int(count) for end, count in self.redis.hgetall(room.ENDS).items()}

    def ended(self, *ends: str) -> None:
        """Wait until all of these are recorded."""
        until(lambda: set(ends) <= self.ends().keys())

    def taken(self) -> dict[str, str]:
        return dict(self.redis.hgetall(room.TAKEN))


@pytest.fixture
def site(tmp_path: Path, bare_redis: redis.Redis) -> Iterator[Site]:
    site = Site(tmp_path, bare_redis)
    yield site
    site.end()
