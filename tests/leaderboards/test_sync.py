"""The board follows the database: after the commit, whatever the order, and without hurting anybody."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_redis_patterns.core import trace
from django_redis_patterns.core.conductor import Call, Gather
from django_redis_patterns.core.connections.wire import Command, send
from django_redis_patterns.core.operations import IO
from django_redis_patterns.leaderboards import sync
from django_redis_patterns.signals import rank_changed
from django_redis_patterns.testing.servers import free_port
from tests.boards.models import Gift, Motto, Play, Player, Visit, Vote
from tests.leaderboards.shown import Undo, scores

pytestmark = [pytest.mark.permanent_keys("redis_patterns:boards:*"), pytest.mark.django_db(transaction=True)]


# Commits


def test_a_commit_is_followed_in_one_go(players: list[Player]) -> None:
    """Whatever was done in it: one ticket, one query, one write per board; a rolled-back savepoint is left out."""
    ada, bob, cid = players
    with trace.record() as log, transaction.atomic():
        for player in (ada, bob, ada):
            Vote.objects.create(country=player.name, weight=5)
        with suppress(Undo), transaction.atomic():
            Vote.objects.create(country=cid.name)
            raise Undo
        assert (log.trips, Vote.leaderboard.board.name) == (0, "boards.vote.leaderboard")
        with CaptureQueriesContext(connection) as queries:
            transaction.on_commit(lambda: None)
    assert not queries
    assert log.trips == 2
    assert scores(Vote.leaderboard) == {"ada": 10, "bob": 5}


def test_a_rollback_tells_nothing(players: list[Player]) -> None:
    """Neither the row nor what the row had been."""
    ada = players[0]
    with trace.record() as log, suppress(Undo), transaction.atomic():
        ada.points = 7
        ada.save()
        raise Undo
    assert (log.trips, Player.leaderboard.score(ada)) == (0, 0)


def test_saves_and_deletions_are_followed(players: list[Player]) -> None:
    """A new value, none any more, and gone."""
    ada, bob, cid = players
    ada.points = 9
    ada.save()
    bob.points = None
    bob.save(update_fields=["points"])
    cid.delete()
    assert scores(Player.leaderboard) == {ada: 9}


def test_a_save_of_other_columns_costs_nothing(players: list[Player]) -> None:
    """update_fields says so."""
    players[0].name = "Ada"
    with trace.record() as log, CaptureQueriesContext(connection) as queries:
        players[0].save(update_fields=["name"])
    assert (log.trips, len(queries)) == (0, 1)


def test_what_a_save_costs(players: list[Player]) -> None:
    """A new row: its own query and one that reads the member again. A row that may change hands: one more."""
    ada = players[0]
    with trace.record() as log, CaptureQueriesContext(connection) as queries:
        gift = Gift.leaderboard.create(giver=ada, worth=1)
    assert (log.trips, len(queries)) == (2, 2)
    with trace.record() as log, CaptureQueriesContext(connection) as queries:
        gift.save()
    assert (log.trips, len(queries)) == (2, 3)


def test_a_row_that_changes_hands_is_taken_from_its_member(players: list[Player]) -> None:
    """Both are looked at, also when the instance was not read from the database."""
    ada, bob, cid = players
    gift = Gift.leaderboard.create(giver=ada, worth=5)
    gift.giver = bob
    gift.save()
    assert scores(Gift.leaderboard) == {bob: 5}
    Gift(pk=gift.pk, giver=cid, worth=6).save()
    assert scores(Gift.leaderboard) == {cid: 6}
    gift = Gift.leaderboard.only("worth").get()
    gift.giver_id = None
    gift.save(update_fields=["giver"])
    assert scores(Gift.leaderboard) == {}


def test_rows_of_which_not_all_was_read_are_followed(players: list[Player]) -> None:
    """Deferred columns, and values that the database computes."""
    ada, bob, _ = players
    Gift.leaderboard.create(giver=ada, worth=5)
    Gift.leaderboard.create(giver=bob, worth=5)
    deferred = Gift.leaderboard.only("pk").get(giver=ada)
    deferred.worth = 6
    deferred.save()
    assert scores(Gift.leaderboard) == {ada: 6, bob: 5}
    Gift.leaderboard.only("pk").get(giver=ada).delete()
    assert scores(Gift.leaderboard) == {bob: 5}


def test_deleting_a_member_takes_it_off_every_board(players: list[Player]) -> None:
    """Whether its rows go with it, or lose it without a signal."""
    ada, bob, _ = players
    for player in (ada, bob):
        Play.objects.create(player=player, points=3)
        Gift.leaderboard.create(giver=player, worth=4)
    with transaction.atomic():
        ada.delete()
    ada.pk = None
    assert [scores(board) for board in (Play.leaderboard, Gift.leaderboard)] == [{bob: 3}, {bob: 4}]
    assert [board.count() for board in (Play.leaderboard, Gift.leaderboard)] == [1, 1]
    Player.objects.filter(pk=bob.pk).delete()
    assert [board.count() for board in (Play.leaderboard, Gift.leaderboard)] == [0, 0]


def test_who_gives_a_row_away_has_locked_it(players: list[Player], monkeypatch: pytest.MonkeyPatch) -> None:
    """In a transaction, on a database that can: the next one to give it away then sees to whom."""
    gift = Gift.leaderboard.create(giver=players[0])
    monkeypatch.setattr(type(connection.features), "has_select_for_update", True)
    seen: list[str] = []

    def unlocked(execute: Any, sql: str, *args: Any) -> Any:
        seen.append(sql)
        return execute(re.sub(" FOR (NO KEY )?UPDATE", "", sql) if connection.vendor == "sqlite" else sql, *args)

    for player, is_locked in ((players[1], True), (players[2], False)):
        seen.clear()
        gift.giver = player
        with connection.execute_wrapper(unlocked), transaction.atomic() if is_locked else nullcontext():
            gift.save()
        assert any(sql.endswith(" UPDATE") for sql in seen) is is_locked
        assert scores(Gift.leaderboard) == {player: 0}


# Two commits in the other order


def pieces(body: Any) -> Iterator[Any]:
    """Run *body* up to before each of its requests in turn."""
    reply: Any = None
    while True:
        try:
            request = body.send(reply)
        except StopIteration:
            return
        yield request
        assert not isinstance(request, Gather)
        reply = request.call() if isinstance(request, Call) else send([request])[0]


def is_write(request: Any) -> bool:
    return isinstance(request, Command) and request.script == "write.lua"


def to_the_write(body: Iterator[Any]) -> None:
    """Read the database, and stop before writing."""
    while not is_write(next(body)):
        pass


def two_commits(ada: Player) -> tuple[Iterator[Any], Iterator[Any]]:
    """What follows two commits of one member: the first has read the database before the second committed."""
    board = Player.leaderboard.board
    text = board.members.text(ada)
    Player.objects.filter(pk=ada.pk).update(points=1)
    first = pieces(sync.look(IO(), board, "default", [text]))
    to_the_write(first)
    Player.objects.filter(pk=ada.pk).update(points=2)
    second = pieces(sync.look(IO(), board, "default", [text]))
    return first, second


def test_two_commits_in_the_other_order_converge(players: list[Player]) -> None:
    """The first to commit is the last to write."""
    first, second = two_commits(players[0])
    list(second)
    list(first)
    assert Player.leaderboard.score(players[0]) == 2


def test_without_tickets_they_would_not(players: list[Player], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with the guard taken out ends with the older value."""

    async def no_ticket(self: Any, io: IO) -> int:
        return 0

    monkeypatch.setattr("django_redis_patterns.leaderboards.followed.FollowedBoard.ticket", no_ticket)
    first, second = two_commits(players[0])
    list(second)
    list(first)
    assert Player.leaderboard.score(players[0]) == 1


def test_an_earlier_ticket_may_have_read_more(players: list[Player]) -> None:
    """Then the later one has read it too: both orders of writing end with the last commit."""
    for reverse in (False, True):
        board, ada = Player.leaderboard.board, players[0]
        text = board.members.text(ada)
        first = pieces(sync.look(IO(), board, "default", [text]))
        next(first)
        Player.objects.filter(pk=ada.pk).update(points=5)
        second = pieces(sync.look(IO(), board, "default", [text]))
        to_the_write(second)
        to_the_write(first)
        for body in (second, first) if reverse else (first, second):
            list(body)
        assert Player.leaderboard.score(ada) == 5


def test_tickets_rise_and_are_forgotten(bare_redis: Any, players: list[Player]) -> None:
    """A clock that goes back does not repeat one; what Redis keeps of them ends by itself."""
    board = Player.leaderboard.board

    def ticket() -> int:
        body = board.ticket(IO())
        command: Any = body.send(None)
        with pytest.raises(StopIteration) as stop:
            body.send(send([command])[0])
        return int(stop.value.value)

    first = ticket()
    bare_redis.set(board.key("ticket"), first + 10**9, px=600_000)
    assert ticket() == first + 10**9 + 1
    bare_redis.zadd(board.key("tickets"), {"long ago": 5})
    ticket()
    assert bare_redis.zscore(board.key("tickets"), "long ago") is None
    players[0].save()
    assert 0 < bare_redis.ttl(board.key("tickets")) <= 600


# What goes wrong


@contextmanager
def redis_away() -> Iterator[None]:
    away = {"CONNECTIONS": {"default": f"redis://127.0.0.1:{free_port()}/0"}}
    with override_settings(REDIS_PATTERNS=away):
        yield


def test_redis_away_hurts_no_commit(players: list[Player], caplog: pytest.LogCaptureFixture) -> None:
    """One line in the log, a counter, and reconcile() mends the board."""
    ada, before = players[0], trace.counters().get("commit.failed", 0)
    with redis_away(), transaction.atomic():
        ada.points = 8
        ada.save()
    assert Player.objects.get(pk=ada.pk).points == 8
    assert (trace.counters()["commit.failed"], len(caplog.records)) == (before + 1, 1)
    assert Player.leaderboard.score(ada) == 0
    assert Player.leaderboard.reconcile(fix=True) == (0, 1, 0)
    assert Player.leaderboard.score(ada) == 8


def test_a_score_that_redis_would_round_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """It is told, and the others of its commit are written."""
    Vote.objects.create(country="no", weight=1)
    with transaction.atomic():
        Vote.objects.create(country="no", weight=2**53)
        Vote.objects.create(country="se", weight=2)
    assert scores(Vote.leaderboard) == {"se": 2, "no": 1}
    assert "does not follow no: 9007199254740993 is beyond" in caplog.text
    assert trace.counters()["leaderboards.inexact"] >= 1


def test_a_fault_of_ours_hurts_no_request(
    players: list[Player], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The row is saved all the same."""

    def fault(*_: Any) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("django_redis_patterns.leaderboards.whose.Whose.of", fault)
    players[0].points = 5
    players[0].save()
    assert Player.objects.get(pk=players[0].pk).points == 5
    assert "does not follow a change of Player" in caplog.text


def test_an_error_that_breaks_the_transaction_is_not_kept_back(
    players: list[Player], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL would roll back at the commit, and say nothing."""

    def deadlock(*_: Any) -> None:
        raise OperationalError("deadlock detected")

    monkeypatch.setattr("django_redis_patterns.leaderboards.whose.Whose.of", deadlock)
    with pytest.raises(OperationalError), transaction.atomic():
        players[0].save()
    players[0].save()  # outside of a transaction it costs nobody anything


# Telling


@contextmanager
def told() -> Iterator[list[Any]]:
    heard: list[Any] = []

    def hear(sender: Any, board: str, window: str, member: str, change: Any, **_: Any) -> None:
        heard.append((sender.__name__, board, window, member, change.old_rank, change.new_rank, change.score))

    rank_changed.connect(hear)
    try:
        yield heard
    finally:
        rank_changed.disconnect(hear)


def test_a_change_of_rank_is_told(players: list[Player]) -> None:
    """For each present window in which something changed, and not when nothing did."""
    ada, bob, _ = players
    old = timezone.now() - timedelta(days=9000)
    with told() as heard:
        Play.objects.create(player=ada, points=5)
        Play.objects.create(player=bob, points=7, played_at=old)
        Play.objects.create(player=bob, points=6, played_at=old)
    name, texts = "boards.play.leaderboard", [Play.leaderboard.board.members.text(p) for p in (ada, bob)]
    assert heard == [
        *(("Play", name, window, texts[0], None, 1, 5) for window in ("day", "week", "all")),
        ("Play", name, "all", texts[1], None, 1, 7),
    ]


def test_a_change_of_a_past_window_is_not_told(players: list[Player]) -> None:
    """It is written, but who shows the present one would show it wrong."""
    yesterday = timezone.now() - timedelta(days=1)
    with told() as heard:
        Visit.objects.create(player=players[0], at=yesterday)
    assert Visit.leaderboard.window("day", at=yesterday).score(players[0]) == 1
    assert heard == []


def test_a_listener_that_fails_hurts_nobody(players: list[Player], caplog: pytest.LogCaptureFixture) -> None:
    """Nor the listeners after it."""

    def fail(**_: Any) -> None:
        raise RuntimeError("a listener's fault")

    rank_changed.connect(fail)
    try:
        with told() as heard:
            players[0].points = 5
            players[0].save()
    finally:
        rank_changed.disconnect(fail)
    assert len(heard) == 1
    assert Player.leaderboard.score(players[0]) == 5


# Databases


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_another_database_is_followed_by_its_own_commits() -> None:
    """What waits is the transaction on the alias that was written to, and there the values are read."""
    here = Vote.objects.create(country="no", weight=1)
    with transaction.atomic(), trace.record() as log:
        with transaction.atomic(using="other"):
            Vote(country="se", weight=4).save(using="other")
            Vote.leaderboard.using("other").update(weight=5)
            Vote.leaderboard.db_manager("other").bulk_create([Vote(country="dk", weight=6)])
            assert log.trips == 0
        assert scores(Vote.leaderboard) == {"dk": 6, "se": 5, "no": 1}
    assert Vote.leaderboard.db_manager("other").rebuild() == 2
    assert scores(Vote.leaderboard) == {"dk": 6, "se": 5}
    assert Vote.leaderboard.reconcile() == (1, 0, 2)
    Vote.objects.using("other").get(country="se").delete()
    assert scores(Vote.leaderboard) == {"dk": 6}
    assert here.pk


def test_a_row_whose_key_is_an_empty_text_is_followed() -> None:
    """It is a member like any other."""
    motto = Motto.objects.create(text="", likes=3)
    assert scores(Motto.leaderboard) == {motto: 3}
    Motto.leaderboard.update(likes=4)
    assert scores(Motto.leaderboard) == {motto: 4}
