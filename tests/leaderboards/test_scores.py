"""Scores go in exactly, or not at all."""

from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_redis_patterns.core.operations import batch
from django_redis_patterns.exceptions import InexactScore, RedisPatternsError
from django_redis_patterns.leaderboards import Leaderboard
from django_redis_patterns.leaderboards.scores import MOST
from django_redis_patterns.testing.fixtures import Face

pytestmark = pytest.mark.permanent_keys("redis_patterns:boards:*")

doubles = st.floats(-MOST, MOST, allow_nan=False)
wholes = st.integers(-MOST, MOST)


@given(score=doubles | wholes)
@settings(max_examples=300, deadline=None)
@pytest.mark.parametrize("ties", ["competition", "dense"])
def test_what_goes_in_comes_out(ties: Any, score: float) -> None:
    """Every double up to ±2**53 and every whole number, from each of the ways that a score is read and counted."""
    board = Leaderboard("exact", ties=ties)
    change = board.add("ann", score)
    standing = board.score("ann"), board.top(1)[0].score, board.around("ann", 0)[0].score, board.among(["ann"])[0].score
    assert {change.score, *standing} == {score}
    assert type(change.score) is (int if float(score).is_integer() else float)
    assert board.rank("ann") == board.around("ann", 0)[0].rank == change.new_rank == 1


@given(scores=st.lists(doubles | wholes, min_size=2, max_size=8))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("order", ["desc", "asc"])
def test_scores_that_lie_close_keep_their_ranks(order: Any, scores: list[float], bare_redis: redis.Redis) -> None:
    """Counting in scripts loses no digit: ranks are those of Python."""
    bare_redis.flushall()
    boards = [Leaderboard(ties, order=order, ties=ties) for ties in ("competition", "dense")]
    for board in boards:
        for member, score in enumerate(scores):
            board.add(member, score)
    for member, score in enumerate(scores):
        better = [other for other in scores if (other > score if order == "desc" else other < score)]
        assert [board.rank(member) for board in boards] == [len(better) + 1, len(set(better)) + 1]


@pytest.mark.parametrize(
    ("score", "stored"),
    [
        (MOST, 9007199254740992),
        (-MOST, -9007199254740992),
        (Decimal("0.1"), 0.1),
        (Decimal("19.99"), 19.99),
        (Decimal("1E+3"), 1000),
        (2.0, 2),
        (5e-324, 5e-324),
        (HTTPStatus.OK, 200),
    ],
)
def test_kinds_of_numbers(score: Any, stored: float) -> None:
    """Decimals that a double can tell apart are taken; whole numbers come back as int."""
    assert repr(Leaderboard("exact").add("ann", score).score) == repr(stored)


def test_minus_zero_is_zero(bare_redis: redis.Redis) -> None:
    """There is one zero, also among distinct scores."""
    board = Leaderboard("exact", ties="dense")
    board.add("ann", -0.0)
    board.add("ben", 0)
    board.add("cat", Decimal("-0.0"))
    board.add("dan", 5)
    board.increment("dan", -5)
    assert repr(board.score("ann")) == "0"
    assert [entry.rank for entry in board.top()] == [1, 1, 1, 1]
    assert bare_redis.zrange(board.keys().distinct, 0, -1) == ["0"]


@pytest.mark.parametrize(
    "score",
    [
        *[MOST + 1, -MOST - 1, 10**400, 1e300, float("nan"), float("inf"), -float("inf"), True, False],
        *map(Decimal, ["0.12345678901234567890", "1e-400", "NaN", "sNaN", "Infinity", str(MOST + 1)]),
    ],
)
def test_what_redis_would_round_is_refused(face: Face, score: Any, bare_redis: redis.Redis) -> None:
    """Before anything is sent, as an error that is ours and a ValueError."""
    board = Leaderboard("exact")
    for operation in (board.add, board.increment):
        with pytest.raises(InexactScore) as told:
            face(operation, "ann", score)
        assert isinstance(told.value, ValueError)
        assert isinstance(told.value, RedisPatternsError)
    assert bare_redis.keys() == []


@pytest.mark.parametrize("score", ["12", None, [1], 1j])
def test_what_is_no_number_is_a_type_error(score: Any) -> None:
    """Text is not parsed."""
    with pytest.raises(TypeError, match="int, a float or a Decimal"):
        Leaderboard("exact").add("ann", score)


@pytest.mark.parametrize("ties", ["ordinal", "dense"])
@pytest.mark.parametrize(
    ("before", "by"), [(MOST, 1), (MOST, 0.5), (0.25, MOST), (-MOST, -1), (MOST - 1, 2), (1, MOST)]
)
def test_a_sum_that_would_be_rounded_is_refused_in_every_window(
    face: Face, ties: Any, before: float, by: float, bare_redis: redis.Redis
) -> None:
    """One full window keeps the others as they are, their expiry and their ranks too."""
    board = Leaderboard("exact", ties=ties, windows=["day", "all"], aggregate="sum")
    full = Leaderboard("exact", ties=ties)
    full.add("ann", before)
    dump = {name: bare_redis.dump(name) for name in bare_redis.scan_iter()}
    for operation in (board.increment, board.add):
        with pytest.raises(InexactScore, match=r"'ann' beyond ±2\*\*53 in the window 'all'.*Nothing was written"):
            face(operation, "ann", by)
    assert {name: bare_redis.dump(name) for name in bare_redis.scan_iter()} == dump


@pytest.mark.parametrize(("before", "by"), [(MOST - 1, 1), (MOST, 0), (MOST, -1), (-MOST, MOST), (0, -MOST)])
def test_a_sum_up_to_the_limit_is_taken(before: int, by: int) -> None:
    """±2**53 itself is exact."""
    board = Leaderboard("exact", aggregate="sum")
    board.add("ann", before)
    assert board.increment("ann", by).score == before + by


def test_a_refused_score_hurts_no_other_operation_of_a_batch() -> None:
    """Each raises its own error."""
    board = Leaderboard("exact")
    with batch(return_exceptions=True) as together:
        bad, good = together(board.add, "ann", MOST + 1), together(board.add, "ben", 7)
    assert good.value.new_rank == 1
    with pytest.raises(InexactScore):
        _ = bad.value
