"""Django's own tests of sessions, from the source of the installed Django, over our store and our middleware."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import django
import pytest

from django_redis_patterns.testing.servers import RedisServer

SUITE = Path(__file__).with_name("django_own_suite.py")
ROOT = SUITE.parents[2]


@pytest.fixture(scope="session")
def djangos_tests() -> Path:
    """Django's folder of tests; wheels have none, so the source is fetched once and kept."""
    version = django.get_version()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "django_redis_patterns")
    tests = cache / f"django-{version}" / "tests"
    if not tests.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fetch(version, cache)
    return tests


def fetch(version: str, folder: Path) -> None:
    options = ["--no-deps", "--no-binary", ":all:", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), f"django=={version}"]
    told = subprocess.run(pip, capture_output=True, text=True)
    archives = sorted(folder.glob(f"[dD]jango-{version}.tar.gz"))
    if told.returncode or not archives:
        pytest.skip(f"pip could not fetch the source of Django {version}: {told.stderr[-300:]}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")


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
