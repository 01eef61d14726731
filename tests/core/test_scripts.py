from pathlib import Path

import pytest
import redis

from django_redis_patterns.core import trace
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.testing.fixtures import Face
from tests.core.examples import BUMP, Shelf

pytestmark = pytest.mark.permanent_keys("n")


def test_a_script_lies_beside_the_module_that_declares_it() -> None:
    """A script is looked up in the lua folder of its module."""
    assert Script("bump.lua").path == Path(__file__).parent / "lua" / "bump.lua"
    assert repr(BUMP) == "Script('bump.lua')"


def test_redis_knows_it_by_its_sha(bare_redis: redis.Redis) -> None:
    """The sha is the one under which Redis keeps the text."""
    assert bare_redis.script_load(BUMP.text) == BUMP.sha


def test_a_known_script_is_one_trip(face: Face) -> None:
    """Once known, a script is one short command."""
    shelf = Shelf()
    shelf.bump("n")
    with trace.record() as log:
        assert face(shelf.bump, "n") == 2
    assert log.trips == 1
    assert log.commands[0].command.startswith("EVALSHA bump.lua 1 ")


def test_a_missing_file_is_told_when_it_is_needed() -> None:
    """A script that does not exist raises when it is read."""
    with pytest.raises(FileNotFoundError):
        _ = Script("nowhere.lua").text
