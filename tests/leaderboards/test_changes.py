"""What a write does, and what it tells: in all windows at once, by every face."""

from typing import Any

import pytest
import redis

from django_redis_patterns.leaderboards import Change, Leaderboard
from django_redis_patterns.leaderboards.entries import Put
from django_redis_patterns.leaderboards.layout import tickets_key
from django_redis_patterns.leaderboards.scores import MOST
from django_redis_patterns.testing.fixtures import Face

from .quiz import RANKS, TIES, filled, told, write

pytestmark = pytest.mark.permanent_keys("redis_patterns:boards:*")


@pytest.fixture(params=TIES)
def ties(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_change_tells_ranks_before_and_after(face: Face, ties: Any) -> None:
    """In every window, whatever else is in it."""
    board = Leaderboard("quiz", ties=ties, windows=["day", "all"])
    old = Put(board.window_now("all"), "old", "set", 30)
    write(board, [old, old._replace(member="older", score=30)])
    assert face(board.add, "ann", 20)[:4] == (None, {"dense": 2}.get(ties, 3), 20, None)
    change = face(board.increment, "ann", 20)
    assert change[:4] == ({"dense": 2}.get(ties, 3), 1, 40, 20)
    assert change.windows == {"all": Change(*change[:4]), "day": Change(1, 1, 40, 20)}
    assert face(board.window("day").remove, "ann")[:4] == (1, None, None, 40)


@pytest.mark.parametrize("order", ["desc", "asc"])
@pytest.mark.parametrize(("aggregate", "scores"), [("last", (3, 9, 7)), ("best", (3, 9, 9)), ("sum", (3, 12, 19))])
def test_add_does_what_the_aggregate_says(face: Face, order: Any, aggregate: Any, scores: tuple[int, ...]) -> None:
    """Increment adds in each of them."""
    board = Leaderboard("quiz", aggregate=aggregate, order=order)
    seen = [face(board.add, "ann", score).score for score in (3, 9, 7)]
    assert seen == ([3, 3, 3] if (order, aggregate) == ("asc", "best") else list(scores))
    assert face(board.increment, "ann", 0.5).score == seen[-1] + 0.5
    assert face(board.increment, "ben").score == 1


@pytest.mark.parametrize("order", ["desc", "asc"])
def test_who_reached_a_score_first_is_ahead(face: Face, order: Any) -> None:
    """Saying the same score again, or a worse one where the best counts, keeps the place; a new one is reached now."""
    board = Leaderboard("quiz", order=order, tiebreak="first", aggregate="best")
    for name in ("zoe", "ann", "mia"):
        face(board.add, name, 5)
    assert told(face(board.top)) == [(1, "zoe"), (2, "ann"), (3, "mia")]
    for score in (5, 9 if order == "asc" else 1):
        face(board.add, "zoe", score)
    face(board.increment, "zoe", 0)
    assert face(board.rank, "zoe") == 1
    face(board.increment, "zoe", 1)
    face(board.increment, "zoe", -1)
    assert told(face(board.top)) == [(1, "ann"), (2, "mia"), (3, "zoe")]


def test_a_stamp_says_when_a_score_was_reached() -> None:
    """Whatever the order of the writes, from 1970 to the end of the numbers; ranks follow."""
    for order in ("desc", "asc"):
        board = Leaderboard(order, order=order, tiebreak="first")
        window = board.window_now("all")
        stamps = {"late": 2**60, "now": None, "first": -5, "second": 7, "third": 1_700_000_000_000_000}
        write(board, [Put(window, name, "set", 5, stamp) for name, stamp in stamps.items()])
        assert [entry.obj for entry in board.top()] == ["first", "second", "third", "now", "late"]
        write(board, [Put(window, "third", "set", 5, 3)])
        assert [entry.obj for entry in board.top()][:3] == ["first", "third", "second"]
        assert board.rank("third") == 2
        write(board, [Put(window, "third", "best", 5, 2**52), Put(window, "late", "best", 5, 1)])
        assert [board.rank("third"), board.rank("late")] == [2, 5]


def test_distinct_scores_come_and_go(bare_redis: redis.Redis) -> None:
    """A score that its last member leaves no longer counts; also 0, and a score that two leave in one write."""
    board = Leaderboard("quiz", ties="dense", tiebreak="first")
    for name, score in {"ann": 2, "ben": 0, "cat": 0, "dan": -1}.items():
        board.add(name, score)
    assert board.rank("dan") == 3
    board.remove("ben")
    assert board.rank("dan") == 3
    board.increment("cat", 5)
    assert board.rank("dan") == 3
    window = board.window_now("all")
    write(board, [Put(window, "ann", "set", 5), Put(window, "cat", "remove"), Put(window, "eve", "set", 2)])
    assert bare_redis.zrange(board.keys().distinct, 0, -1) == ["-1", "2", "5"]
    for name in ("ann", "dan", "eve"):
        board.remove(name)
    assert bare_redis.keys() == []


def test_a_write_does_all_its_puts_and_tells_ranks_before_and_after_them_all(ties: Any) -> None:
    """Two puts of one member count after each other; a member of two windows is two."""
    board = filled(ties=ties, windows=["all", "day"])
    window, day = board.windows_now()
    puts = [Put(window, "gus", "set", 100), Put(window, "gus", "sum", 1), Put(window, "ann", "sum", -11)]
    changes = write(board, [*puts, Put(day, "gus", "remove")])
    last = RANKS[ties][-1]
    assert changes[0] == changes[1] == Change(last, 1, 101, -1.5)
    assert changes[2] == Change(1, {"ordinal": 5, "competition": 5, "dense": 3}[ties], 39, 50)
    assert changes[3] == Change(last, None, None, -1.5)


@pytest.mark.parametrize("tiebreak", [None, "first"])
def test_a_write_with_an_older_ticket_is_dropped(ties: Any, tiebreak: Any, bare_redis: redis.Redis) -> None:
    """Member by member; a removal leaves its ticket too, and nothing is told of what was dropped."""
    board = Leaderboard("quiz", ties=ties, tiebreak=tiebreak)
    window = board.window_now("all")
    assert write(board, [Put(window, "ann", "set", 4), Put(window, "ben", "set", 1)], 5) != [None, None]
    assert write(board, [Put(window, "ann", "remove")], 7)[0] == Change(1, None, None, 4)
    assert write(board, [Put(window, "ann", "set", 9), Put(window, "ann", "sum", MOST)], 6) == [None, None]
    assert write(board, [Put(window, "ben", "set", 2)], 6) == [Change(1, 1, 2, 1)]
    assert board.rank("ann") is None
    assert write(board, [Put(window, "ann", "set", 3)], 7) == [Change(None, 1, 3)]
    assert write(board, [Put(window, "ann", "set", 8)]) == [Change(1, 1, 8, 3)]
    assert bare_redis.zrange(tickets_key("quiz"), 0, -1, withscores=True) == [("ben", 6), ("ann", 7)]
    assert 0 < bare_redis.pttl(tickets_key("quiz")) <= 600_000
