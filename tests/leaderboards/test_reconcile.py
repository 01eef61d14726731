"""Drift between a board and the database: found, told, mended; and none when everything goes through the manager."""

import logging
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import connection, models, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_redis_patterns.core import trace
from django_redis_patterns.core.conductor import Call, Gather, Sleep
from django_redis_patterns.core.connections.wire import send
from django_redis_patterns.core.operations import IO
from django_redis_patterns.leaderboards import Drift, reconcile
from django_redis_patterns.testing.fixtures import Face
from tests.boards.models import Lap, Play, Player, Sale, Visit, Vote
from tests.leaderboards.shown import Undo

pytestmark = [pytest.mark.permanent_keys("redis_patterns:boards:*"), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "SETTLE", 0)


@pytest.fixture
def players() -> list[Player]:
    with transaction.atomic():
        players = [Player.objects.create(name=str(n), points=n) for n in range(5)]
        for player in players:
            Play.objects.create(player=player, points=player.points)
    return players


def test_no_drift_is_false() -> None:
    """So that it can be asked for."""
    assert not Drift()
    assert Drift(ghost=1)


def test_every_face_reconciles(face: Face, players: list[Player]) -> None:
    """But for a batch when it has to wait: it refuses that."""
    assert face(Player.leaderboard.reconcile) == Drift()
    Player.objects.filter(pk=players[0].pk).update(points=70)
    if face.way == "batch":
        with pytest.raises(TypeError):
            face(Player.leaderboard.reconcile)
        return
    assert face(Player.leaderboard.reconcile, fix=True) == Drift(wrong=1)
    assert face(Player.leaderboard.reconcile) == Drift()


def test_every_kind_of_drift_is_found_and_mended(players: list[Player], bare_redis: redis.Redis) -> None:
    """A place that is missing, one that is wrong, and one that nobody should have."""
    board = Player.leaderboard.board
    texts = [board.members.text(player) for player in players]
    bare_redis.zrem(board.keys().board, texts[0])
    bare_redis.zadd(board.keys().board, {texts[1]: 99, "@boards.player:777": 5, "@boards.vote:1": 6, "nobody": 7})
    assert Player.leaderboard.reconcile() == Drift(missing=1, wrong=1, ghost=3)
    assert Player.leaderboard.reconcile(fix=True) == Drift(missing=1, wrong=1, ghost=3)
    assert Player.leaderboard.reconcile() == Drift()
    assert {entry.obj: entry.score for entry in Player.leaderboard.top()} == {p: p.points for p in players}


def test_drift_counts_in_each_window(players: list[Player], caplog: pytest.LogCaptureFixture) -> None:
    """The wrong time is wrong as well, when it decides who is first; each place is told in the log."""
    Play.objects.filter(player=players[0]).update(points=50)
    Play.objects.filter(player=players[1]).update(played_at=models.F("played_at") - timedelta(microseconds=1))
    Play.objects.filter(player=players[2]).update(points=None)
    Play.objects.filter(player=players[3]).update(played_at=timezone.now() - timedelta(days=400))
    with caplog.at_level(logging.INFO, "django_redis_patterns.leaderboards"):
        drift = Play.leaderboard.reconcile(fix=True)
    assert drift == Drift(missing=0, wrong=3 + 3 + 1, ghost=3 + 2)
    assert len(caplog.records) == sum(drift)
    assert f"boards.play.leaderboard, ever: @boards.player:{players[0].pk} is wrong." in caplog.messages
    assert not Play.leaderboard.reconcile()
    assert [entry.obj for entry in Play.leaderboard.top(1)] == [players[0]]


def test_an_update_around_the_manager_is_found(players: list[Player]) -> None:
    """objects.update() tells nobody; reconcile() needs no telling."""
    Player.objects.update(points=models.F("points") + 1)
    assert Player.leaderboard.reconcile(fix=True) == Drift(wrong=5)
    assert not Player.leaderboard.reconcile()


def test_a_lost_board_is_made_again(players: list[Player], bare_redis: redis.Redis) -> None:
    """Member by member."""
    bare_redis.flushall()
    assert Play.leaderboard.reconcile(fix=True) == Drift(missing=15)
    assert not Play.leaderboard.reconcile()
    assert [entry.obj for entry in Play.leaderboard.top()] == players[::-1]


def test_big_boards_are_read_in_chunks(bare_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without drift nothing is looked at twice, and nobody is looked for who should not be there."""
    monkeypatch.setattr(reconcile, "PLACES", 500)
    Vote.leaderboard.bulk_create([Vote(country=f"c{n}", weight=n) for n in range(1200)])
    done: list[tuple[int, int]] = []
    with trace.record() as log:
        assert not Vote.leaderboard.reconcile(progress=lambda *told: done.append(told))
    assert done == [(500, 1200), (1000, 1200), (1200, 1200)]
    assert [told.command.split()[0] for told in log.commands] == ["ZMSCORE"] * 3 + ["ZCARD"]
    bare_redis.zadd(Vote.leaderboard.board.keys().board, {f"ghost {n}": n for n in range(700)})
    assert Vote.leaderboard.reconcile(fix=True) == Drift(ghost=700)
    assert Vote.leaderboard.count() == 1200


def test_rows_outside_of_every_window_are_no_drift(players: list[Player]) -> None:
    """A board need not have the window "all"."""
    for player in players:
        Visit.objects.create(player=player, at=timezone.now() - timedelta(days=400))
    assert not Visit.leaderboard.reconcile()
    assert Visit.leaderboard.rebuild() == 0
    Visit.objects.create(player=players[0])
    assert not Visit.leaderboard.reconcile()
    assert Visit.leaderboard.score(players[0]) == 1


def test_a_score_that_cannot_be_stored_stays_a_drift() -> None:
    """It is one, and mending does not hide it."""
    Vote.objects.bulk_create([Vote(country="no", weight=2**53 + 1)])
    assert Vote.leaderboard.reconcile(fix=True) == Drift(missing=1)
    assert Vote.leaderboard.reconcile() == Drift(missing=1)


def drive(body: Any, meanwhile: Any) -> Any:
    """Run *body* to its end; do something when it waits between its two looks."""
    reply: Any = None
    while True:
        try:
            request = body.send(reply)
        except StopIteration as stop:
            return stop.value
        if isinstance(request, Gather):
            reply = [drive(part, meanwhile) for part in request.bodies]
        elif isinstance(request, Sleep):
            reply = meanwhile()
        else:
            reply = request.call() if isinstance(request, Call) else send([request])[0]


@pytest.mark.parametrize("fix", [False, True])
def test_a_write_on_its_way_is_no_drift(players: list[Player], fix: bool) -> None:
    """Between the two looks it lands."""
    board = Player.leaderboard.board
    Player.objects.filter(pk=players[0].pk).update(points=70)
    land = lambda: board.follow("default", [board.members.text(players[0])])  # noqa: E731
    assert drive(reconcile.reconcile(IO(), board, "default", fix), land) == Drift()
    assert Player.leaderboard.score(players[0]) == 70


def test_mending_is_no_older_than_a_commit_meanwhile(players: list[Player]) -> None:
    """It writes under a ticket of its own, so a commit that was followed in between stands."""
    Player.objects.filter(pk=players[0].pk).update(points=70)
    body = reconcile.reconcile(IO(), Player.leaderboard.board, "default", True)
    real = reconcile.write

    async def late(io: IO, *args: Any) -> None:
        players[0].points = 71
        players[0].save()
        await real(io, *args)

    reconcile.write = late
    try:
        assert drive(body, lambda: None) == Drift(wrong=1)
    finally:
        reconcile.write = real
    assert Player.leaderboard.score(players[0]) == 71


# Everything through the manager


def act(name: str, n: int, value: int) -> None:
    """One change of many kinds; *n* says of whom."""
    player, other = (Player.objects.filter(name=str(k)).first() for k in (n, (n + value) % 4))
    at = timezone.now() - timedelta(hours=7 * value)
    if name == "create player" or player is None:
        Player.objects.create(name=str(n), points=value)
    elif name == "save player":
        player.points = value if value % 5 else None
        player.save()
    elif name == "delete player":
        player.delete()
    elif name == "play":
        Play.objects.create(player=player, points=value % 4, played_at=at)
        Lap.objects.create(driver=player, seconds=value / 8, at=at)
    elif name == "sell":
        Sale.board.bulk_create([Sale(seller=p, amount=value, at=at) for p in (player, other)])
    elif name == "update":
        Play.leaderboard.filter(player=player).update(points=value)
        Sale.board.filter(seller=player).update(at=at, amount=value + 0.25)
    elif name == "reassign":
        Lap.leaderboard.filter(driver=player).update(driver=other or player)
        for play in Play.objects.filter(player=player)[:2]:
            play.player = other or player
            play.save()
    elif name == "bulk_update":
        sales = list(Sale.board.filter(seller=player))
        for sale in sales:
            sale.seller, sale.amount = other, value
        Sale.board.bulk_update(sales, ["seller", "amount"])
    elif name == "delete rows":
        Play.objects.filter(player=player, points__lt=value).delete()
        Lap.leaderboard.filter(driver=player).delete()


NAMES = ["create player", "save player", "delete player", "play", "sell", "update", "reassign", "bulk_update"]
ACTS = st.tuples(st.sampled_from([*NAMES, "play", "delete rows"]), st.integers(0, 3), st.integers(0, 9))
TREES: Any = st.recursive(
    ACTS, lambda inner: st.tuples(st.sampled_from(["commit", "rollback"]), st.lists(inner, max_size=4))
)


def run(node: Any) -> None:
    if len(node) == 3:
        act(*node)
        return
    try:
        with transaction.atomic():
            for inner in node[1]:
                run(inner)
            if node[0] == "rollback":
                raise Undo
    except Undo:
        pass


BOARDS = [Player.leaderboard, Play.leaderboard, Lap.leaderboard, Sale.board, Sale.fastest]


@given(st.lists(TREES, max_size=8))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_goes_through_the_manager_is_followed(bare_redis: redis.Redis, trees: list[Any]) -> None:
    """Commits, rollbacks and savepoints of every kind of write; then a drift made by hand is found and mended."""
    wipe(bare_redis)
    for tree in trees:
        run(tree)
    assert [manager.reconcile() for manager in BOARDS] == [Drift()] * len(BOARDS)
    touched = Play.objects.update(points=77)
    Sale._base_manager.all()._raw_delete("default")
    found = [manager.reconcile(fix=True) for manager in BOARDS]
    assert bool(found[1]) is bool(touched)
    assert [manager.reconcile() for manager in BOARDS] == [Drift()] * len(BOARDS)
    assert Sale.board.top() == []


@pytest.mark.slow
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TREES, max_size=20))
def test_much_that_goes_through_the_manager_is_followed(bare_redis: redis.Redis, trees: list[Any]) -> None:
    """The same, longer."""
    wipe(bare_redis)
    for tree in trees:
        run(tree)
    assert [manager.reconcile() for manager in BOARDS] == [Drift()] * len(BOARDS)


def wipe(bare_redis: redis.Redis) -> None:
    bare_redis.flushall()
    with connection.cursor() as cursor:
        for table in ("play", "lap", "sale", "gift", "pro", "special", "player"):
            cursor.execute(f"DELETE FROM boards_{table}")
