"""Django's own tests: wheels have none, so the source of the installed Django is fetched once and kept."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import django
import pytest


@pytest.fixture(scope="session")
def djangos_tests() -> Path:
    """Django's folder of tests."""
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
