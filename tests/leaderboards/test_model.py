"""A board against a sorted Python list: random operations, through all faces, in every kind of board."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.exceptions import InexactScore
from django_redis_patterns.leaderboards import Leaderboard
from django_redis_patterns.leaderboards.board import OPTIONS
from django_redis_patterns.leaderboards.members import Members
from django_redis_patterns.leaderboards.scores import MOST
from django_redis_patterns.testing.fixtures import WAYS, Face

pytestmark = pytest.mark.permanent_keys("redis_patterns:boards:*")

WINDOWS = ["hour", "day", "all"]
TEXTS = ["ann", "ben", "@cat", "zoë"]
ROWS = [1, 2, 3, 4]
members = st.sampled_from([*TEXTS, *ROWS])
scores = (
    st.sampled_from([0, 1, 2, -1, 0.5, -0.5, MOST, -MOST, MOST - 1, 1e-9])
    | st.integers(-3, 3)
    | st.integers(-MOST, MOST)
    | st.floats(-MOST, MOST, allow_nan=False)
)
ways = st.sampled_from(WAYS)
shown = st.sampled_from(WINDOWS)


class Rows(Members):
    """Whole numbers are rows; a test says which of them are there."""

    def __init__(self) -> None:
        self.there = set(ROWS)

    def text(self, member: Any) -> str:
        return f"@row:{member}" if isinstance(member, int) else super().text(member)

    def load(self, texts: Iterable[str]) -> dict[str, Any]:
        pks = {text: int(text.partition(":")[2]) for text in texts}
        return {text: pk for text, pk in pks.items() if pk in self.there}


class BoardMachine(RuleBasedStateMachine):
    """``model``: by label of a window, each member's score and the number of the write that reached it."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        self.client = client
        self.runner = asyncio.Runner()
        self.model: dict[tuple[str, str], dict[Any, tuple[float, int]]] = {}
        self.writes = 0
        self.now = datetime.now(UTC) + timedelta(hours=1)
        self.clock = patch("django_redis_patterns.leaderboards.windows.now", lambda: self.now)
        self.clock.start()

    def teardown(self) -> None:
        self.clock.stop()
        self.runner.run(adisconnect())
        self.runner.close()
        self.client.flushall()

    @initialize(
        options=st.fixed_dictionaries({name: st.sampled_from(OPTIONS[name]) for name in OPTIONS if name != "window"})
    )
    def declare(self, options: dict[str, Any]) -> None:
        self.board = Leaderboard("model", windows=WINDOWS, tz="Europe/Berlin", **options)
        self.board.members = self.rows = Rows()

    # Writes

    @rule(way=ways, member=members, score=scores)
    def add(self, way: Any, member: Any, score: float) -> None:
        self.write(way, self.board.add, member, score, {"last": self.set, "best": self.best, "sum": self.plus})

    @rule(way=ways, member=members, by=scores)
    def increment(self, way: Any, member: Any, by: float) -> None:
        self.write(way, self.board.increment, member, by, dict.fromkeys(OPTIONS["aggregate"], self.plus))

    def write(self, way: Any, operation: Any, member: Any, score: float, by_aggregate: dict[str, Any]) -> None:
        self.writes += 1
        before = {window.name: self.window(window) for window in self.board.windows_now()}
        decide = by_aggregate[self.board.aggregate]
        after = {name: decide(rows.get(member), score) for name, rows in before.items()}
        if None in after.values():
            with pytest.raises(InexactScore):
                self.face(way)(operation, member, score)
            return
        ranks = {name: self.rank(rows, member) for name, rows in before.items()}
        change = self.face(way)(operation, member, score)
        for name, rows in before.items():
            old = rows.get(member, (None,))[0]
            rows[member] = after[name]
            assert change.windows[name][:4] == (ranks[name], self.rank(rows, member), rows[member][0], old)

    @rule(way=ways, member=members)
    def remove(self, way: Any, member: Any) -> None:
        rows = self.window(self.board.window_now("all"))
        expected = self.rank(rows, member), None, None, rows.get(member, (None,))[0]
        assert self.face(way)(self.board.remove, member)[:4] == expected
        self.forget([member])

    @rule(pk=st.sampled_from(ROWS))
    def delete_row(self, pk: int) -> None:
        self.rows.there.discard(pk)

    @precondition(lambda self: len(self.rows.there) < len(ROWS))
    @rule()
    def restore_rows(self) -> None:
        """Nobody removes a place whose row was deleted, so it is one again."""
        self.rows.there |= set(ROWS)

    @rule(hours=st.integers(1, 3))
    def pass_time(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    # Reads

    @rule(way=ways, name=shown, count=st.integers(0, 5))
    def top(self, way: Any, name: str, count: int) -> None:
        """The first rows, whatever ghosts are among them."""
        found = self.face(way)(self.board.window(name).top, count)
        self.lay_ghosts(self.board.window_now(name), count)
        assert found == self.entries(self.window(self.board.window_now(name)))[:count]

    @rule(way=ways, name=shown, past=st.booleans(), member=members, place=st.integers(1, 8), size=st.integers(0, 8))
    def look(self, way: Any, name: str, past: bool, member: Any, place: int, size: int) -> None:
        """Every other way, once the ghosts are gone."""
        view = self.board.window(name)
        if past and name != "all":
            start = view.shown_window().start
            assert start
            view = view.window(name, at=start - timedelta(seconds=1))
        face = self.face(way)
        face(view.top, 100)
        self.lay_ghosts(view.shown_window(), 100)
        rows = self.window(view.shown_window())
        everybody = self.entries(rows)
        assert face(view.slice, place, place + size) == everybody[place - 1 : place + size]
        assert face(view.page, place, 3) == everybody[3 * place - 3 : 3 * place]
        at = next((i for i, entry in enumerate(everybody) if entry[2] == member), None)
        assert face(view.around, member, size) == ([] if at is None else everybody[max(at - size, 0) : at + size + 1])
        assert face(view.rank, member) == self.rank(rows, member)
        assert face(view.score, member) == rows.get(member, (None,))[0]
        assert face(view.count) == len(rows)
        group = [*TEXTS[:2], *ROWS[:2]]
        assert face(view.among, group) == self.entries({one: rows[one] for one in group if one in rows})
        better = sum(self.is_better(score, rows[member][0]) for score, _ in rows.values()) if member in rows else 0
        share = 100 * (len(rows) - better) / len(rows) if member in rows else None
        assert face(view.percentile, member) == share

    # The model

    def face(self, way: Any) -> Face:
        return Face(way, self.runner)

    def window(self, window: Any) -> dict[Any, tuple[float, int]]:
        return self.model.setdefault((window.name, window.label), {})

    def set(self, old: Any, score: float) -> tuple[float, int]:
        return old if old and old[0] == score else (score, self.writes)

    def best(self, old: Any, score: float) -> tuple[float, int]:
        return (score, self.writes) if old is None or self.is_better(score, old[0]) else old

    def plus(self, old: Any, by: float) -> tuple[float, int] | None:
        total = float(old[0] if old else 0) + float(by)
        exact = Fraction(old[0] if old else 0) + Fraction(by)
        if abs(total) > MOST or (abs(total) == MOST and exact != total):
            return None
        return self.set(old, total)

    def is_better(self, one: float, other: float) -> bool:
        return one > other if self.board.order == "desc" else one < other

    def ordered(self, rows: dict[Any, tuple[float, int]]) -> list[tuple[Any, float]]:
        desc = self.board.order == "desc"

        def place(item: Any) -> Any:
            member, (score, write) = item
            if self.board.tiebreak:
                return score, -write if desc else write
            return score, self.board.members.text(member).encode()

        return [(member, score) for member, (score, _) in sorted(rows.items(), key=place, reverse=desc)]

    def entries(self, rows: dict[Any, tuple[float, int]]) -> list[tuple[int, float, Any]]:
        return [(self.rank(rows, member), score, member) for member, score in self.ordered(rows)]  # type: ignore[misc]

    def rank(self, rows: dict[Any, tuple[float, int]], member: Any) -> int | None:
        if member not in rows:
            return None
        if self.board.ties == "ordinal":
            return 1 + [name for name, _ in self.ordered(rows)].index(member)
        better: list[float] = [score for score, _ in rows.values() if self.is_better(score, rows[member][0])]
        return 1 + len(set(better) if self.board.ties == "dense" else better)

    def lay_ghosts(self, window: Any, looked_at: int) -> None:
        """A look that meets a ghost looks at a hundred rows more, which here is all."""
        rows = self.window(window)
        gone = [name for name, _ in self.ordered(rows) if isinstance(name, int) and name not in self.rows.there]
        first = [name for name, _ in self.ordered(rows)][:looked_at]
        if any(name in gone for name in first):
            self.forget(gone)

    def forget(self, gone: list[Any]) -> None:
        for window in self.board.windows_kept():
            for member in gone:
                self.window(window).pop(member, None)


def run(client: redis.Redis, examples: int, steps: int) -> None:
    machine: Callable[[], BoardMachine] = lambda: BoardMachine(client)  # noqa: E731
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    )


def test_a_board_is_a_sorted_list(bare_redis: redis.Redis) -> None:
    """For a while."""
    run(bare_redis, 60, 25)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_board_is_a_sorted_list_for_long(bare_redis: redis.Redis) -> None:
    """Longer than anybody waits for in an everyday run."""
    run(bare_redis, 600, 60)
