import pytest

from tests.boards.models import Player


@pytest.fixture
def players() -> list[Player]:
    """Three who have no points yet."""
    return [Player.objects.create(name=name) for name in ("ada", "bob", "cid")]
