"""Members: text, numbers and rows, and what becomes of rows that are gone."""

from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from http import HTTPStatus
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from redis.exceptions import OutOfMemoryError

from django_redis_patterns.core import trace
from django_redis_patterns.core.conductor import Run, drive
from django_redis_patterns.core.operations import IO, batch
from django_redis_patterns.leaderboards import Entry, Leaderboard
from django_redis_patterns.leaderboards.ghosts import AHEAD
from django_redis_patterns.testing.fixtures import Face
from tests.leaderboards.shown import Undo

pytestmark = [pytest.mark.permanent_keys("redis_patterns:boards:*"), pytest.mark.django_db(transaction=True)]


def users(count: int) -> list[User]:
    return User.objects.bulk_create(User(username=f"user{n}") for n in range(count))


@pytest.fixture
def board() -> Leaderboard:
    return Leaderboard("players", windows=["all", "day"])


@pytest.mark.parametrize("member", ["ann", "@ann", "@@", "@auth.user:1", "a:b", "né ☃ {x}", " ", "1" * 300, "0"])
@pytest.mark.parametrize("tiebreak", [None, "first"])
def test_text_comes_back(member: str, tiebreak: Any) -> None:
    """Whatever it looks like, it is no row."""
    board = Leaderboard("words", tiebreak=tiebreak)
    board.add(member, 7)
    expected = [Entry(1, 7, member)]
    assert board.top() == board.around(member) == board.among([member]) == board.page(1) == expected
    assert board.rank(member) == 1
    assert board.remove(member).old_rank == 1
    assert board.count() == 0


class Team(str, Enum):  # noqa: UP042  whose str() is not its value
    RED = "red"


def test_an_enum_is_its_value(board: Leaderboard) -> None:
    """Of text and of whole numbers."""
    board.add(Team.RED, 1)
    board.add(HTTPStatus.OK, 0)
    assert [entry.obj for entry in board.top()] == ["red", "200"]


def test_a_number_comes_back_as_text() -> None:
    """Redis knows text only, so 7 and "7" are one member."""
    board = Leaderboard("numbers")
    board.add(7, 1)
    board.increment("7", 1)
    assert board.top() == [Entry(1, 2, "7")]
    assert board.rank(7) == 1


@pytest.mark.parametrize(
    ("member", "error"),
    [
        ("", ValueError),
        (User(username="new"), ValueError),
        ("\ud800", ValueError),
        (True, TypeError),
        (None, TypeError),
        (1.5, TypeError),
        (b"ann", TypeError),
    ],
)
def test_what_is_no_member_is_refused(board: Leaderboard, member: Any, error: type[Exception]) -> None:
    """Before anything is sent."""
    with trace.record() as log, pytest.raises(error):
        board.add(member, 1)
    assert log.trips == 0


def test_a_refused_member_hurts_no_other_operation_of_a_batch(board: Leaderboard) -> None:
    """It fails before it is among the commands."""
    with batch(return_exceptions=True) as together:
        bad, good = together(board.rank, "\ud800"), together(board.count)
    assert good.value == 0
    with pytest.raises(ValueError, match="surrogates"):
        _ = bad.value


def test_rows_come_back_by_one_query(face: Face, board: Leaderboard) -> None:
    """``top(10)`` is one trip and one query; a row is known by its model, not by its class's name in this process."""
    players = users(12)
    for points, user in enumerate(players):
        board.add(user, points)
    face(board.top)
    with trace.record() as log, CaptureQueriesContext(connection) as queries:
        entries = face(board.top, 10)
    assert [entry.obj for entry in entries] == players[:1:-1]
    assert log.trips == 1
    if face.way != "async":  # whose queries run in another thread's connection
        assert len(queries) == 1
    assert face(board.rank, SimpleLazyObject(lambda: players[11])) == 1


def test_models_mix_with_one_query_each(board: Leaderboard) -> None:
    """A board may hold users, groups and text."""
    user, group = users(1)[0], Group.objects.create(name="staff")
    session = Session.objects.create(session_key="text is a key too", session_data="", expire_date=timezone.now())
    members: list[Any] = [user, group, session, "ann"]
    for points, member in enumerate(members):
        board.add(member, points)
    with CaptureQueriesContext(connection) as queries:
        assert [entry.obj for entry in board.top()] == members[::-1]
    assert len(queries) == 3


def test_a_proxy_is_the_same_member(board: Leaderboard) -> None:
    """It is the row that counts."""

    class Player(User):
        class Meta:
            proxy = True
            app_label = "tests"

    user = users(1)[0]
    board.add(Player.objects.get(), 7)
    assert board.rank(user) == 1


def test_a_hidden_row_is_no_ghost(board: Leaderboard) -> None:
    """Rows are loaded by the base manager: what a default manager hides still exists."""
    user = users(1)[0]
    board.add(user, 7)
    with patch.object(User._default_manager, "get_queryset", lambda: User._base_manager.none()):
        assert board.top() == [Entry(1, 7, user)]


def test_rows_of_an_unknown_model_are_kept(board: Leaderboard) -> None:
    """Another site, or a newer version of this one, may know them."""
    with patch.object(board.members, "text", lambda member: member):
        board.add("@gone.model:7", 7)
        board.add("@auth.user:x", 6)
        board.add("@nonsense", 5)
    assert [entry.obj for entry in board.top()] == ["@gone.model:7", "@auth.user:x", "@nonsense"]
    assert board.count() == 3


@pytest.mark.parametrize("ties", ["ordinal", "competition", "dense"])
@pytest.mark.parametrize("gone", [[0], [0, 1, 2, 3, 4], [11], list(range(12)), [3, 5, 7]])
def test_rows_that_are_gone_are_skipped_and_the_page_filled(face: Face, ties: Any, gone: list[int]) -> None:
    """Ranks are those of who is left, and the ghosts leave every window."""
    board = Leaderboard("players", ties=ties, windows=["all", "day"])
    players = users(12)
    for place, user in enumerate(players):
        board.add(user, -place)
    User.objects.filter(pk__in=[players[n].pk for n in gone]).delete()
    left = [(rank, player) for rank, player in enumerate((p for n, p in enumerate(players) if n not in gone), 1)]
    assert [(e.rank, e.obj) for e in face(board.slice, 1, 5)] == left[:5]
    assert [(e.rank, e.obj) for e in face(board.page, 2, 5)] == left[5:10]
    assert [(e.rank, e.obj) for e in face(board.page, 3, 5)] == left[10:]
    assert board.count() == board.window("day").count() == len(left)


def test_around_is_filled_too(face: Face, board: Leaderboard) -> None:
    """Neighbours that are gone give their places to the next ones; so does who is asked for."""
    players = users(12)
    for place, user in enumerate(players):
        board.add(user, -place)
    User.objects.filter(pk__in=[players[n].pk for n in (3, 4, 7)]).delete()
    assert [(e.rank, e.obj) for e in face(board.around, players[5], 2)] == [
        (2, players[1]),
        (3, players[2]),
        (4, players[5]),
        (5, players[6]),
        (6, players[8]),
    ]
    gone = User(pk=players[9].pk)
    User.objects.filter(pk=gone.pk).delete()
    assert face(board.around, gone, 2) == []


def test_a_thousand_ghosts_take_a_few_trips(board: Leaderboard) -> None:
    """Each time more is looked at."""
    players = users(1003)
    for place, user in enumerate(players):
        board.add(user, -place)
    User.objects.filter(pk__in=[p.pk for p in players[:1000]]).delete()
    board.add(players[1000], -1000)
    with trace.record() as log:
        assert [(e.rank, e.obj) for e in board.top(2)] == [(1, players[1000]), (2, players[1001])]
    assert log.trips <= 2 * len(AHEAD)
    assert board.count() == 3


def test_more_ghosts_than_one_look_finds_hide_nobody(board: Leaderboard) -> None:
    """However many stand before them, those who are there are shown by the first call."""
    players = users(1303)
    for start in range(0, len(players), 100):
        with batch() as together:
            for place, user in enumerate(players[start : start + 100], start):
                together(board.add, user, -place)
    User.objects.filter(pk__in=[p.pk for p in players[:1300]]).delete()
    assert [e.obj for e in board.top(2)] == players[1300:1302]


@pytest.mark.parametrize("call", [lambda board: board.top(2), lambda board: board.around("text", 1)])
def test_a_row_that_only_this_transaction_misses_is_skipped_and_stays(board: Leaderboard, call: Any) -> None:
    """It was deleted here and may come back, or is newer than what this transaction sees."""
    players = users(3)
    for place, user in enumerate(players):
        board.add(user, -place)
    board.add("text", -1.5)
    with suppress(Undo), transaction.atomic():
        User.objects.filter(pk=players[0].pk).delete()
        assert [e.obj for e in board.top(2)] == [players[1], "text"]
        call(board)
        raise Undo
    assert board.rank(players[0]) == 1


def test_nothing_is_around_who_is_gone_in_this_transaction(board: Leaderboard) -> None:
    """Not the neighbours of somebody else; and it is found out at once."""
    players = users(12)
    for place, user in enumerate(players):
        board.add(user, -place)
    gone = User(pk=players[9].pk)
    with transaction.atomic():
        players[9].delete()
        with trace.record() as log:
            assert board.around(gone, 1) == []
    assert log.trips == 1
    assert board.rank(gone) == 10


def test_a_transaction_by_hand_is_one_too(board: Leaderboard) -> None:
    """What it misses is only skipped."""
    gone, here = users(2)
    board.add(gone, 2)
    board.add(here, 1)
    transaction.set_autocommit(False)
    try:
        User.objects.filter(pk=gone.pk).delete()
        assert [e.obj for e in board.top()] == [here]
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert board.rank(gone) == 1


def test_a_ghost_that_cannot_be_removed_fails_no_page(board: Leaderboard, caplog: pytest.LogCaptureFixture) -> None:
    """Redis may be full, or read only."""
    players = users(3)
    for place, user in enumerate(players):
        board.add(user, -place)
    User.objects.filter(pk=players[0].pk).delete()
    with patch.object(Leaderboard, "forget", _full):
        assert [e.obj for e in board.top(1)] == [players[1]]
    assert "stay on" in caplog.text
    assert board.count() == 3


def test_many_ghosts_leave_by_several_scripts(board: Leaderboard) -> None:
    """No script holds Redis for long."""
    with trace.record() as log:
        drive([Run(board.forget(IO("default"), [f"@auth.user:{n}" for n in range(300)]))])
    assert [told.command.split()[1] for told in log.commands].count("write.lua") >= 3  # 1200 places


def test_endless_ghosts_end(board: Leaderboard) -> None:
    """When ghosts come faster than they go, the page is what it is."""
    players = users(3)
    for user in players:
        board.add(user, 1)
    board.members.load = lambda texts: {}  # type: ignore[method-assign]
    board.forget = _nothing  # type: ignore[method-assign]
    with trace.record() as log:
        assert board.top() == []
    assert log.trips == len(AHEAD)


def test_among_takes_a_queryset_and_loads_nothing_twice(face: Face, board: Leaderboard) -> None:
    """The rows that are given are the rows that come back."""
    players = users(4)
    for points, user in enumerate(players[:3]):
        board.add(user, points)
    with CaptureQueriesContext(connection) as queries:
        found = face(board.among, User.objects.exclude(pk=players[1].pk))
    assert [(e.rank, e.obj) for e in found] == [(1, players[2]), (2, players[0])]
    if face.way != "async":
        assert len(queries) == 1


def test_among_reads_no_more_of_a_queryset_than_it_takes(face: Face, board: Leaderboard) -> None:
    """However many rows it has."""
    users(1002)
    read: list[int] = []
    with (
        patch.object(User, "from_db", classmethod(lambda cls, *_, **__: read.append(1))),
        pytest.raises(ValueError, match="at most 1000"),
    ):
        face(board.among, User.objects.all())
    assert len(read) == 1001


async def _full(board: Leaderboard, io: IO, texts: Sequence[str]) -> None:
    raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")


async def _nothing(io: IO, texts: Sequence[str]) -> None: ...
