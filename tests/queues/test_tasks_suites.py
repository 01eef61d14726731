"""Django's tests of ``django.tasks``, and those of the backport's stored backends, on our backends.

Each runs in a process of its own, from the source of a release. Which tests are left out, and why, is in `suites`.
On Django 5.2 the framework is django-tasks, whose own tests are not in its source; Django's began as theirs.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import django
import pytest

from tests.djangos_tests import source

SUITES = Path(__file__).with_name("suites")
ROOT = SUITES.parents[2]
DJANGO = django.get_version() if django.VERSION >= (6, 0) else "6.1.3"

pytestmark = [pytest.mark.timeout(600), pytest.mark.permanent_keys("*")]


@pytest.mark.parametrize("place", ["local", "redis"])
@pytest.mark.parametrize("decorator", ["stock", "ours"])
def test_djangos_own_suite_passes(decorator: str, place: str) -> None:
    """Whatever Django promises of tasks and of a backend, ours keep: of tasks by Django's decorator, and by ours."""
    assert passed("djangos.py", source("django", DJANGO) / "tests", decorator, place) >= 74


@pytest.mark.parametrize(("peer", "version", "least"), [("rq", "0.12.0", 23), ("db", "0.13.0", 27)])
def test_tests_of_stored_backends_pass(peer: str, version: str, least: int) -> None:
    """What django-tasks-rq and django-tasks-db promise of results, queues, signals and logs, our backend keeps."""
    theirs = source(f"django-tasks-{peer}", version) / "tests"
    assert passed(f"{peer}.py", theirs, source("django", DJANGO) / "tests") >= least


def passed(program: str, *args: str | Path) -> int:
    """Run a suite; returns how many tests that were."""
    told = subprocess.run(
        [sys.executable, "-W", "error", str(SUITES / program), *map(str, args)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    ran = re.search(r"^Ran (\d+) tests", told.stdout, re.MULTILINE)
    assert told.returncode == 0, told.stdout
    assert "skipped" not in told.stdout
    assert ran, told.stdout
    return int(ran[1])
