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
#: Processes for each case; a server has fifteen more databases.
SHARDS = 7


@pytest.mark.timeout(600)
@pytest.mark.permanent_keys("*")
def test_djangos_own_suite_passes(djangos_tests: Path, redis_server: RedisServer) -> None:
    """Whatever Django promises of a cache, ours keeps, sync and async."""
    connection = json.dumps({"HOST": "127.0.0.1", "PORT": redis_server.port})
    command = [sys.executable, str(SUITE), str(djangos_tests), connection, str(SHARDS)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    told = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert told.returncode == 0, told.stdout
    assert sum(map(int, re.findall(r"^Ran (\d+) tests", told.stdout, re.MULTILINE))) >= 2 * 54
