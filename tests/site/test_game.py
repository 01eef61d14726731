"""Which games Quick draw believes."""

from typing import Any

import pytest
from arcade import game

START = game.Start("an id", [1000, 1500, 2000, 900, 1100], at=1_000_000.0)
HUMAN: list[int | None] = [250, 310, 198, 402, 267]
ENOUGH = 6.5 + 1.427 + 5  # s: all waits, all reactions, and what the game shows in between


def judge(times: Any, seconds: float = ENOUGH) -> list[int | None]:
    return game.judge(START, times, START.at + seconds)


def test_a_human_game_counts() -> None:
    assert judge(HUMAN) == HUMAN
    assert game.score(HUMAN) == 5000 - sum(filter(None, HUMAN))


def test_rounds_without_a_hit_cost_neither_points_nor_time() -> None:
    assert judge([None, None, 200, None, None], seconds=2.2) == [None, None, 200, None, None]
    assert game.score([None, None, 200, None, None]) == 800


@pytest.mark.parametrize("ms", [game.FASTEST, game.SLOWEST])
def test_the_bounds_themselves_are_possible(ms: int) -> None:
    assert judge([ms] * 5, seconds=60) == [ms] * 5


@pytest.mark.parametrize("ms", [game.FASTEST - 1, game.SLOWEST + 1, 0, -200, 10**30])
def test_times_that_nobody_has(ms: int) -> None:
    with pytest.raises(game.Implausible, match=r"Nobody reacts|no hit"):
        judge([*HUMAN[:4], ms])


@pytest.mark.parametrize("ms", ["250", 250.0, True, [250], {}, float("nan")])
def test_times_that_are_no_whole_numbers(ms: Any) -> None:
    with pytest.raises(game.Implausible, match="whole number"):
        judge([*HUMAN[:4], ms])


@pytest.mark.parametrize("times", [None, "25025", {}, [], HUMAN[:4], [*HUMAN, 250], 5])
def test_the_number_of_rounds_is_right(times: Any) -> None:
    with pytest.raises(game.Implausible, match="5 rounds"):
        judge(times)


def test_a_game_without_a_hit_is_no_game() -> None:
    with pytest.raises(game.Implausible, match="Not one hit"):
        judge([None] * 5)


def test_a_game_takes_the_time_of_its_waits_and_reactions() -> None:
    needed = 6.5 + 1.427
    assert judge(HUMAN, seconds=needed - game.EARLY / 1000 + 0.001)
    with pytest.raises(game.Implausible, match="lights were not even on"):
        judge(HUMAN, seconds=needed - game.EARLY / 1000 - 0.001)


def test_a_clock_that_went_back_is_no_excuse() -> None:
    with pytest.raises(game.Implausible):
        judge(HUMAN, seconds=-60)


def test_a_coin_runs_out() -> None:
    assert judge(HUMAN, seconds=game.LONGEST - 1)
    with pytest.raises(game.Implausible, match="ran out"):
        judge(HUMAN, seconds=game.LONGEST + 1)


def test_every_deal_is_another() -> None:
    one, two = game.deal(5.0), game.deal(5.0)
    assert one.id != two.id
    assert one.waits != two.waits
    assert len(one.waits) == game.ROUNDS
    assert all(game.WAITS[0] <= wait <= game.WAITS[1] for wait in one.waits)
