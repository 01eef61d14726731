"""``--reload``: the program starts anew when code changes, and waits for better code when it cannot."""

import signal
from pathlib import Path

import pytest

from tests.core.worker.conftest import Program, Site, until

pytestmark = pytest.mark.permanent_keys("*:words:*")


def write(folder: Path, line: str) -> None:
    """Let a module of the site's own say *line*, in a file that is a different one for whoever looks."""
    (folder / "own_module.py").write_text(f"{line}  # {'x' * len(list(folder.iterdir()))}\n")


def starts(program: Program, version: int) -> int:
    return program.log.count(f"version {version}\n")


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    return folder


def started(site: Site, code: Path) -> Program:
    write(code, 'print("version 1", flush=True)')
    program = site.program("--reload", EXTRA_MODULE="own_module", PYTHONPATH=f"{Path.cwd()}:{code}")
    site.push("wait:go:1")
    until(lambda: site.noted("began"))
    return program


def test_code_changes(site: Site, code: Path) -> None:
    """What has begun is finished first."""
    program = started(site, code)
    write(code, 'print("version 2", flush=True)')
    until(lambda: "Code has changed" in program.log)
    (site.folder / "go").touch()
    until(lambda: starts(program, 2))
    assert site.ends() == {"ok wait:go:1": 1}


@pytest.mark.slow
def test_code_is_broken_for_a_while(site: Site, code: Path) -> None:
    (site.folder / "go").touch()
    program = started(site, code)
    write(code, "this is no Python")
    until(lambda: "starts again when code changes" in program.log)
    write(code, 'print("version 3", flush=True)')
    site.push("sleep:0:2")
    site.ended("ok sleep:0:2")
    assert starts(program, 3)

    program.process.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert not program.children()
