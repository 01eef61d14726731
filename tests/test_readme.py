"""What the README says is what is run."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ["sessions", "caching", "ratelimit", "locks", "leaderboards", "streams", "queues", "realtime"]


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text()


def test_there_are_two_commands_of_one_line(readme):
    demo, tests = re.findall(r"^```sh\n(.*)\n```$", readme, re.MULTILINE)
    assert "testproject/manage.py demo" in demo
    assert "-m pytest" in tests
    assert all("-m venv" in command for command in (demo, tests))


def test_the_continuous_run_takes_its_test_command_from_here(readme):
    shown = subprocess.run([ROOT / ".ci/run", "--show"], capture_output=True, text=True, check=True).stdout.strip()
    assert "-m pytest" in shown
    assert f"```sh\n{shown}\n```" in readme


@pytest.mark.parametrize("room", ROOMS)
def test_the_table_lists_every_room(readme, room):
    assert re.search(rf"^\| .*\b{room}\b.* \|", readme, re.MULTILINE)
