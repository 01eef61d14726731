"""Processes of a fleet, each of which does what it is told (`program`)."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Process:
    """Runs `program` on the connection of the tests, or on others: to Redis, and to the one that is its database."""

    def __init__(self, connection: dict[str, Any] | None = None, database: str = "") -> None:
        env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        if connection is not None:
            env |= {"TEST_REDIS_CONNECTION": json.dumps(connection), "TEST_DATABASE": database}
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from tests.caching.program import main; main()"],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.is_ready = False

    def say(self, *words: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        return line.strip() if line == "ready\n" else json.loads(line)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()


def is_up(process: Process) -> bool:
    """Wait until it is ready, if that has not happened."""
    process.is_ready = process.is_ready or process.hear() == "ready"
    return process.is_ready
