"""Others' own tests: wheels have none, so the source of a release is fetched once, and kept."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import django
import pytest


@pytest.fixture(scope="session")
def djangos_tests() -> Path:
    """The folder of tests of the Django that is installed."""
    return source("django", django.get_version()) / "tests"


def source(project: str, version: str) -> Path:
    """Return the folder of the source of a release. Several processes may ask for it at once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "django_redis_patterns")
    folder = cache / f"{project}-{version}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache) as scratch:
            _keep(_fetched(project, version, Path(scratch)), folder)
    return folder


def _fetched(project: str, version: str, scratch: Path) -> Path:
    options = ["--no-deps", "--no-binary", ":all:", "--ignore-requires-python", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "download", *options, "--dest", str(scratch), f"{project}=={version}"]
    told = subprocess.run(pip, capture_output=True, text=True)
    archives = sorted(scratch.glob("*.tar.gz"))
    if told.returncode or not archives:
        _do_without(f"pip could not fetch the source of {project} {version}: {told.stderr[-300:]}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(scratch, filter="data")
    return next(path for path in scratch.iterdir() if path.is_dir())


def _do_without(reason: str) -> None:
    if os.environ.get("FETCH_OR_FAIL"):  # set by .ci/run
        pytest.fail(reason)
    pytest.skip(reason)


def _keep(fetched: Path, folder: Path) -> None:
    try:
        fetched.rename(folder)
    except OSError:  # another process has been faster
        if not folder.exists():
            raise
