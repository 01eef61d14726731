"""Django's own tests of cache backends, from the source of the installed Django, on ours: sync, and awaited."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from django_redis_patterns.testing.servers import RedisServer

SUITE = Path(__file__).with_name("django_own_suite.py")
ROOT = SUITE.parents[3]
#: Processes for each case, side by side, each on a database of its own: the tests sleep most of the time.
SHARDS = 5


def start(tests: Path, server: RedisServer, case: str, shard: int, database: int) -> subprocess.Popen[str]:
    connection = json.dumps({"HOST": "127.0.0.1", "PORT": server.port, "DB": database})
    command = [sys.executable, str(SUITE), str(tests), connection, case, str(shard), str(SHARDS)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.timeout(600)
@pytest.mark.permanent_keys("*")
def test_djangos_own_suite_passes(djangos_tests: Path, redis_server: RedisServer) -> None:
    """Whatever Django promises of a cache, ours keeps, sync and async."""
    parts = [(case, shard) for case in ("sync", "async") for shard in range(SHARDS)]
    started = [start(djangos_tests, redis_server, *part, number) for number, part in enumerate(parts, start=1)]
    said = [process.communicate()[0] for process in started]
    for part, process, told in zip(parts, started, said, strict=True):
        assert process.returncode == 0, f"{part}: {told}"
    assert sum(int(re.search(r"^Ran (\d+) tests", told, re.M)[1]) for told in said) >= 2 * 54  # type: ignore[index]
