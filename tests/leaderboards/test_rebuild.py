"""A board made anew: no gap for readers, no write lost, one rebuild at a time."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import connection, models, transaction
from django.utils import timezone

from django_redis_patterns.exceptions import RebuildOvertaken
from django_redis_patterns.leaderboards import rebuild as rebuilding
from django_redis_patterns.leaderboards.windows import Window
from django_redis_patterns.testing.fixtures import Face
from tests.boards.models import Lap, Play, Player, Sale, Visit, Vote
from tests.leaderboards.shown import scores

pytestmark = [pytest.mark.permanent_keys("redis_patterns:boards:*"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "PLACES", 2)


def state(bare_redis: redis.Redis, name: str) -> dict[str, Any]:
    """Every key of a board with what it holds and whether it ends; those of its tickets left out."""
    keys = [key for key in bare_redis.scan_iter(f"redis_patterns:boards:{{{name}}}:*") if "ticket" not in key]
    return {key: (held(bare_redis, key), bare_redis.pttl(key) > 0) for key in keys}


def held(bare_redis: redis.Redis, key: str) -> Any:
    is_sorted = bare_redis.type(key) == "zset"
    return bare_redis.zrange(key, 0, -1, withscores=True) if is_sorted else bare_redis.hgetall(key)


@transaction.atomic
def some_rows() -> list[Player]:
    players = [Player.objects.create(name=str(n), points=n) for n in range(5)]
    now = timezone.now()
    for n, player in enumerate([*players, *players]):
        at = now - timedelta(days=n % 3)
        Play.objects.create(player=player, points=n // 2, played_at=at)
        Lap.objects.create(driver=player, seconds=60 + n / 4, at=at)
        Sale.board.create(seller=player, amount=f"{n % 4}.25", at=at)
        Vote.objects.create(country=f"c{n % 3}", weight=n)
    return players


BOARDS = [Player.leaderboard, Play.leaderboard, Lap.leaderboard, Sale.board, Sale.fastest, Vote.leaderboard]


@pytest.mark.parametrize("manager", BOARDS, ids=lambda manager: manager.board.name)
def test_a_rebuilt_board_is_what_saving_made(
    face: Face, bare_redis: redis.Redis, small_chunks: None, manager: Any
) -> None:
    """To the last key, with every option."""
    some_rows()
    board = manager.board
    before = state(bare_redis, board.name)
    bare_redis.delete(*before)
    done: list[tuple[int, int]] = []
    members = face(manager.rebuild, lambda *told: done.append(told))
    assert state(bare_redis, board.name) == before
    assert members == manager.count()
    assert done[-1] == (members, members)
    assert len(done) == (members if len(board.windows_kept()) > 1 else (members + 1) // 2)


def test_rebuilt_windows_end_when_they_should(bare_redis: redis.Redis) -> None:
    """With all that belongs to them."""
    some_rows()
    board = Play.leaderboard.board
    Play.leaderboard.rebuild()
    for window in board.windows_kept():
        for key in board.keys(window):
            if bare_redis.exists(key) and window.expires_ms:
                assert abs(time.time() * 1000 + bare_redis.pttl(key) - window.expires_ms) < 30_000


def test_readers_see_the_old_board_until_the_new_one_is_whole(small_chunks: None) -> None:
    """Never a part of one."""
    players = some_rows()
    Player.objects.all().update(points=models.F("points") + 100)
    seen: list[Any] = []
    Player.leaderboard.rebuild(lambda *_: seen.append(list(scores(Player.leaderboard).values())))
    assert seen == [[4, 3, 2, 1, 0]] * 3
    assert scores(Player.leaderboard) == {player: player.points + 100 for player in players}


@pytest.mark.parametrize("manager", BOARDS, ids=lambda manager: manager.board.name)
@pytest.mark.parametrize("at", range(2))
def test_what_is_written_meanwhile_counts(bare_redis: redis.Redis, small_chunks: None, manager: Any, at: int) -> None:
    """Whether its chunk has been read or is still to come; and nothing of what was before is left."""
    players = some_rows()
    calls: list[Any] = []

    def write(*_: int) -> None:
        calls.append(_)
        if len(calls) == at + 1:
            for n, player in enumerate(players[1:]):
                change(player, n)
            players[0].delete()

    manager.rebuild(write)
    assert len(calls) > at
    assert not any(table.reconcile() for table in BOARDS)
    made = state(bare_redis, manager.board.name)
    manager.rebuild()
    assert state(bare_redis, manager.board.name) == made


@transaction.atomic
def change(player: Player, n: int) -> None:
    player.points = 50 - n if n else None
    player.save()
    Play.leaderboard.filter(player=player).update(points=90 + n)
    Lap.objects.create(driver=player, seconds=30 + n)
    Sale.board.filter(seller=player).delete()
    Sale.board.create(seller=player, amount=n)
    Vote.objects.create(country=f"new {n}", weight=n)


def test_without_the_swap_those_writes_would_be_lost(small_chunks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard taken out: a board that was swapped as if nothing had been written meanwhile is stale."""
    players = some_rows()
    swap = rebuilding._Rebuild._swap
    monkeypatch.setattr(rebuilding._Rebuild, "_swap", lambda self, start: swap(self, start * 2))
    Player.leaderboard.rebuild(lambda done, _: change(players[0], 1) if done == 2 else None)
    assert Player.leaderboard.reconcile() == (0, 1, 0)


def test_a_model_without_rows_has_an_empty_board(bare_redis: redis.Redis) -> None:
    """Not the one that it had."""
    for board in BOARDS:
        some_rows()
        with connection.cursor() as cursor:
            for table in ("play", "lap", "sale", "vote", "player"):
                cursor.execute(f"DELETE FROM boards_{table}")
        assert board.count()
        assert board.rebuild() == 0
        assert state(bare_redis, board.board.name) == {}


def test_the_later_of_two_rebuilds_wins(bare_redis: redis.Redis, small_chunks: None) -> None:
    """The earlier one ends at its next step with an error that says why, and leaves nothing behind."""
    some_rows()
    expected = state(bare_redis, "boards.play.leaderboard")
    later: list[int] = []

    def meanwhile(done: int, _: int) -> None:
        later.append(Play.leaderboard.rebuild())

    with pytest.raises(RebuildOvertaken, match=r"'boards\.play\.leaderboard' changed nothing"):
        Play.leaderboard.rebuild(meanwhile)
    assert later == [5]
    assert state(bare_redis, "boards.play.leaderboard") == expected


def test_a_rebuild_overtaken_at_the_end_changes_nothing(bare_redis: redis.Redis) -> None:
    """The last step looks itself."""
    some_rows()
    board = Player.leaderboard.board

    def overtake(*_: int) -> None:
        bare_redis.set(board.key("rebuild"), "somebody:1", px=1000)

    with pytest.raises(RebuildOvertaken):
        Player.leaderboard.rebuild(overtake)
    assert Player.leaderboard.count() == 5


def test_a_rebuild_that_fails_leaves_the_board_as_it_was(bare_redis: redis.Redis, small_chunks: None) -> None:
    """And nothing of its own, but for the mark that it was running."""
    some_rows()
    before = state(bare_redis, "boards.player.leaderboard")

    def fail(*_: int) -> None:
        raise RuntimeError("the user's")

    with pytest.raises(RuntimeError, match="the user's"):
        Player.leaderboard.rebuild(fail)
    bare_redis.delete(Player.leaderboard.board.key("rebuild"))
    assert state(bare_redis, "boards.player.leaderboard") == before


def test_a_redis_that_lost_everything_meanwhile_ends_it(bare_redis: redis.Redis, small_chunks: None) -> None:
    """What was stored before is gone, so the rest is not worth having."""
    some_rows()
    with pytest.raises(RebuildOvertaken):
        Player.leaderboard.rebuild(lambda done, _: bare_redis.flushall() if done == 2 else None)
    assert state(bare_redis, Player.leaderboard.board.name) == {}


def test_a_score_that_redis_would_round_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """It is told, and the others are there."""
    Vote.objects.bulk_create([Vote(country="no", weight=2**53 + 1), Vote(country="se", weight=2)])
    assert Vote.leaderboard.rebuild() == 2
    assert scores(Vote.leaderboard) == {"se": 2}
    assert "does not follow no" in caplog.text


def test_tickets_last_as_long_as_a_rebuild(bare_redis: redis.Redis, small_chunks: None) -> None:
    """Who was written since its start is remembered, however long it takes."""
    some_rows()
    board = Player.leaderboard.board
    an_hour_ago = int(timezone.now().timestamp() * 1e6) - 3600 * 10**6
    bare_redis.set(board.key("rebuild"), f"token:{an_hour_ago}", px=600_000)
    bare_redis.zadd(board.key("tickets"), {"before": an_hour_ago - 1, "since": an_hour_ago + 1})
    Player.objects.first().save()
    assert bare_redis.zscore(board.key("tickets"), "before") is None
    assert bare_redis.zscore(board.key("tickets"), "since") == an_hour_ago + 1
    Player.leaderboard.rebuild(lambda done, _: bare_redis.pexpire(board.key("tickets"), 1000) if done == 2 else None)
    assert bare_redis.ttl(board.key("tickets")) > 500


def test_a_window_lasts_as_long_as_a_rebuild(bare_redis: redis.Redis, small_chunks: None) -> None:
    """Though all of its rows came first."""
    players = some_rows()
    Play.objects.exclude(player=players[0]).update(played_at=timezone.now() - timedelta(days=400))

    def hurry(*_: int) -> None:
        for key in bare_redis.scan_iter("*:day:*:new:*"):
            seen.append(bare_redis.pttl(key))
            bare_redis.pexpire(key, 60_000)

    seen: list[int] = []
    Play.leaderboard.rebuild(hurry)
    assert len(seen) > 2
    assert min(seen) > 500_000


def test_a_board_may_keep_many_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a query has room for."""
    board = Visit.leaderboard.board
    monkeypatch.setattr(board, "keep", 300)
    visit = Visit.objects.create(player=Player.objects.create())
    assert len(board.windows_kept()) == 604
    assert Visit.leaderboard.window("hour").score(visit.player_id) == 1
    assert Visit.leaderboard.rebuild() == 1
    assert not Visit.leaderboard.reconcile()


def test_a_swap_takes_any_number_of_windows(bare_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lua hands no more than 8000 values to a function."""
    some_rows()
    board = Player.leaderboard.board
    keys = [board.keys(window) for window in board.windows_kept()]
    monkeypatch.setattr(board, "windows_kept", lambda: [Window("day", str(n), None, None, 1) for n in range(9000)])
    monkeypatch.setattr(rebuilding._Rebuild, "_fill", lambda *_: _nobody())
    assert Player.leaderboard.rebuild() == 0
    assert bare_redis.exists(keys[0].board)


async def _nobody() -> int:
    return 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_million_rows_are_rebuilt_without_a_gap() -> None:
    """A reader never sees less than the whole board, and no save of the writer beside it is lost."""
    rows = 1_000_000
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO boards_player (id, name, points) WITH RECURSIVE n(i) AS "
            f"(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i, 'p' || i, i FROM n"
        )
    assert Player.leaderboard.rebuild() == rows
    Player.objects.filter(points__lte=1000).update(points=models.F("points") + 2 * rows)
    seen: list[tuple[int, int]] = []
    stop = threading.Event()

    def read() -> None:
        board = Player.leaderboard.board
        while not stop.is_set():
            seen.append((board.count(), board.rank(1)))

    written: list[int] = []

    def write(*_: int) -> None:
        for _ in range(10):
            row = Player.objects.get(pk=1001 + (len(written) * 9973) % (rows - 1000))
            row.points = 3 * rows + len(written)
            row.save()
            written.append(row.pk)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert Player.leaderboard.rebuild(write) == rows
    finally:
        stop.set()
        reader.join()
    assert {count for count, _ in seen} == {rows}
    assert len(written) >= 2000
    assert seen[0][1] > rows - 1000
    assert Player.leaderboard.rank(1) == 1000 + len(written)
    assert Player.leaderboard.top(1)[0].obj.pk == written[-1]
    assert not Player.leaderboard.reconcile()
