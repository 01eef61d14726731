"""What a board answers, in every way of ranking ties and by every face; each call is one trip and one command."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import override_settings

from django_redis_patterns.core import trace
from django_redis_patterns.core.operations import batch
from django_redis_patterns.exceptions import InvalidConfiguration
from django_redis_patterns.leaderboards import Entry, Leaderboard, Trending
from django_redis_patterns.testing.cluster import RedisCluster
from django_redis_patterns.testing.fixtures import Face

from .quiz import RANKS, SCORES, TIES, WINDOWS, filled, told

pytestmark = pytest.mark.permanent_keys("redis_patterns:boards:*")


@pytest.fixture(params=TIES)
def ties(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_entries_have_ranks_scores_and_members(face: Face) -> None:
    """Whole scores are ints."""
    board = filled(tiebreak="first")
    assert face(board.slice, 6, 7) == [Entry(6, 20, "fay"), Entry(7, -1.5, "gus")]


def test_every_way_of_looking_gives_the_same_ranks(face: Face, ties: Any) -> None:
    """From the top, from any place, around anybody and one by one."""
    board = filled(ties=ties, tiebreak="first")
    everybody = list(zip(RANKS[ties], SCORES, strict=True))
    assert told(face(board.top)) == everybody
    assert [face(board.rank, name) for name in SCORES] == RANKS[ties]
    for first in range(1, 8):
        assert told(face(board.slice, first, 7)) == everybody[first - 1 :]
    for number in (1, 2, 3, 4, 5):
        assert told(face(board.page, number, 2)) == everybody[2 * number - 2 : 2 * number]
    for place, name in enumerate(SCORES):
        assert told(face(board.around, name, 2)) == everybody[max(place - 2, 0) : place + 3]
    assert told(face(board.among, SCORES)) == everybody


@pytest.mark.parametrize("tiebreak", [None, "first"])
def test_ascending_boards_start_with_the_lowest(face: Face, ties: Any, tiebreak: Any) -> None:
    """Of equal ones, the earlier is ahead there too."""
    board = filled(ties=ties, order="asc", tiebreak=tiebreak)
    names = ["gus", "eve", "fay", "ben", "cat", "dan", "ann"]
    ranks = {"ordinal": [1, 2, 3, 4, 5, 6, 7], "competition": [1, 2, 2, 4, 4, 4, 7], "dense": [1, 2, 2, 3, 3, 3, 4]}[
        ties
    ]
    assert told(face(board.top)) == told(face(board.among, SCORES)) == list(zip(ranks, names, strict=True))
    assert [face(board.rank, name) for name in names] == ranks
    assert face(board.percentile, "gus") == 100


def test_among_ranks_within_the_group(face: Face, ties: Any) -> None:
    """Strangers do not count, nor those who are not on the board."""
    board = filled(ties=ties, tiebreak="first")
    found = face(board.among, ["fay", "dan", "nobody", "ben", "dan"])
    ranks = {"ordinal": [1, 2, 3], "competition": [1, 1, 3], "dense": [1, 1, 2]}[ties]
    assert told(found) == list(zip(ranks, ["ben", "dan", "fay"], strict=True))
    assert face(board.among, []) == []


def test_among_has_a_limit(face: Face) -> None:
    """A thousand, and not one more."""
    board = filled()
    assert len(face(board.among, [*SCORES, *range(993)])) == 7
    with pytest.raises(ValueError, match="at most 1000 members"):
        face(board.among, range(1001))


@pytest.mark.parametrize("tiebreak", [None, "first"])
def test_who_is_absent_has_no_rank(face: Face, ties: Any, tiebreak: Any) -> None:
    """None, as for a score, a percentile and the change of a removal."""
    board = filled(ties=ties, tiebreak=tiebreak)
    assert [face(read, "nobody") for read in (board.rank, board.score, board.percentile)] == [None] * 3
    assert face(board.around, "nobody") == []
    assert face(board.remove, "nobody")[:4] == (None, None, None, None)
    assert face(board.count) == 7


def test_an_empty_board(face: Face, ties: Any) -> None:
    """Has no rows."""
    board = Leaderboard("empty", ties=ties)
    assert [face(board.top), face(board.page, 3), face(board.slice, 5, 6), face(board.among, ["ann"])] == [[]] * 4
    assert face(board.count) == 0


def test_pages_beyond_the_end_are_empty(face: Face) -> None:
    """And a part of one is the part that there is."""
    board = filled()
    assert len(face(board.page, 2, 5)) == 2
    assert face(board.page, 3, 5) == face(board.slice, 8, 9) == face(board.slice, 3, 2) == face(board.top, 0) == []


@pytest.mark.parametrize("call", [("page", 0), ("page", 1, 0), ("slice", 0, 5), ("top", -1), ("around", "ann", -1)])
def test_places_count_from_one(face: Face, call: tuple[Any, ...]) -> None:
    """What cannot be is told, not guessed."""
    with pytest.raises(ValueError, match="or more, not"):
        face(getattr(filled(), call[0]), *call[1:])


def test_percentile_is_the_share_that_is_not_better(face: Face, ties: Any) -> None:
    """Equal ones have the same; the best has 100."""
    board = filled(ties=ties)
    shares = {name: face(board.percentile, name) for name in SCORES}
    assert shares["ann"] == 100
    assert shares["ben"] == shares["dan"] == pytest.approx(100 * 6 / 7)
    assert shares["gus"] == pytest.approx(100 / 7)


@pytest.mark.parametrize("tiebreak", [None, "first"])
def test_every_call_is_one_command_in_one_trip(face: Face, ties: Any, tiebreak: Any) -> None:
    """Reads and writes alike, five windows at once too."""
    board = filled(ties=ties, tiebreak=tiebreak, windows=WINDOWS)
    calls: list[tuple[Callable[..., Any], Any]] = [
        (board.top, 10),
        (board.rank, "ben"),
        (board.score, "ben"),
        (board.around, "ben"),
        (board.page, 2),
        (board.percentile, "ben"),
        (board.among, ["ann", "ben", "fay"]),
        (board.window("day").top, 3),
        (board.increment, "ben"),
        (board.remove, "ben"),
    ]
    for operation, argument in calls:
        face(operation, argument)  # a new server is told the scripts
    for operation, argument in [*calls, (board.count, None)]:
        with trace.record() as log:
            face(operation, *([] if argument is None else [argument]))
        assert (log.trips, len(log.commands)) == (1, 1), operation


def test_several_reads_share_one_trip() -> None:
    """In a batch."""
    board = filled(windows=["all", "day"])
    board.around("ann")
    with trace.record() as log, batch() as together:
        pending = [together(view.around, "ann") for view in (board, board.window("day"))]
    assert [told(one.value)[0] for one in pending] == [(1, "ann")] * 2
    assert log.trips == 1


@pytest.fixture
def cluster() -> Iterator[RedisCluster]:
    with (
        RedisCluster(replicas=0) as nodes,
        override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": {"CLUSTER": nodes.urls}}}),
    ):
        yield nodes


@pytest.mark.cluster
def test_a_board_on_a_cluster(cluster: RedisCluster, face: Face) -> None:
    """All its keys lie in one slot."""
    for name, options in {"full": {"ties": "dense", "tiebreak": "first", "windows": WINDOWS}, "plain": {}}.items():
        board: Any = Leaderboard(name, **options)
        for member, score in SCORES.items():
            board.add(member, score)
        assert face(board.increment, "fay", 40).new_rank == 1
        assert told(face(board.top, 2)) == told(face(board.around, "fay", 1)) == [(1, "fay"), (2, "ann")]
        assert face(board.remove, "ann").windows.keys() == set(board.windows)
        assert told(face(board.among, ["fay", "gus"])) == [(1, "fay"), (2, "gus")]
    assert face(Trending("hot", half_life="1h").hit, "ann") == 1


def test_views_are_the_same_board() -> None:
    """A view shows another window; writes through it go to all."""
    board = Leaderboard("quiz", windows=["day", "week"])
    assert board.shown == "day"
    assert Leaderboard("quiz", windows=["day", "all"]).shown == "all"
    assert board.window("week").add("ann", 7).windows.keys() == {"day", "week"}
    assert board.score("ann") == board.window("week").score("ann") == 7
    assert repr(board.window("week")) == "<Leaderboard 'quiz', window 'week'>"
    tomorrow = board.window("day", at=datetime(2099, 1, 1, tzinfo=UTC))
    assert repr(tomorrow) == "<Leaderboard 'quiz', window 'day', at=2099-01-01T00:00:00+00:00>"


def test_boards_of_different_names_do_not_mix() -> None:
    """Whatever the names look like."""
    boards = [Leaderboard(name) for name in ("a", "a:all", "a}:b", "ä", "all:ever")]
    for place, board in enumerate(boards):
        board.add("ann", place)
    assert [board.score("ann") for board in boards] == list(range(5))


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"order": "dsc"}, "Did you mean 'desc'"),
        ({"ties": "densest"}, "Did you mean 'dense'"),
        ({"tiebreak": "last"}, "There are None, 'first'"),
        ({"aggregate": "bets"}, "Did you mean 'best'"),
        ({"keep": -1}, "0 or more"),
        ({"name": ""}, "has a name"),
    ],
)
def test_misspelt_options_are_told(options: dict[str, Any], hint: str) -> None:
    """When the board is declared."""
    with pytest.raises(ValueError, match=hint):
        Leaderboard(**{"name": "quiz", **options})


def test_the_connection_is_the_boards_or_the_rooms() -> None:
    """Read when needed."""
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"b": "redis://h/1"}, "LEADERBOARDS": {"CONNECTION": "b"}}):
        assert Leaderboard("quiz").connection == "b"
    assert Leaderboard("quiz").connection == "default"
    assert Leaderboard("quiz", connection="other").connection == "other"
    with pytest.raises(InvalidConfiguration, match="no 'other'"):
        Leaderboard("quiz", connection="other").count()
