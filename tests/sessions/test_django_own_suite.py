"""Django's own tests of sessions, from the source of the installed Django, over our store and our middleware."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from django_redis_patterns.testing.servers import RedisServer

SUITE = Path(__file__).with_name("django_own_suite.py")
ROOT = SUITE.parents[2]


@pytest.mark.timeout(600)
def test_djangos_own_suite_passes(djangos_tests: Path, redis_server: RedisServer) -> None:
    """Whatever Django promises of a session store and of its middleware, ours keep, sync and async."""
    told = subprocess.run(
        [sys.executable, str(SUITE), str(djangos_tests), redis_server.url],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "OK" in told.stderr
    assert "skipped" not in told.stderr
