import time

import pytest

from tests.boards.models import Player


@pytest.fixture(autouse=True)
def _away_from_the_turn_of_an_hour() -> None:
    """A test that straddles it has two windows where it means one."""
    while not 2 <= time.time() % 3600 < 3585:
        time.sleep(0.2)


@pytest.fixture
def players() -> list[Player]:
    """Three who have no points yet."""
    return [Player.objects.create(name=name) for name in ("ada", "bob", "cid")]
