"""The manager: what it shows, and what its declaration means in SQL."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.template import Context, Engine
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_redis_patterns.core import trace
from django_redis_patterns.leaderboards import Entry
from django_redis_patterns.testing.fixtures import Face
from tests.boards.models import (
    Animal,
    Chess,
    Gift,
    Go,
    Guest,
    Lap,
    Photo,
    Play,
    Player,
    Pro,
    Racer,
    Sale,
    Slugged,
    Special,
    Step,
    Vote,
)
from tests.leaderboards.shown import scores

pytestmark = [pytest.mark.permanent_keys("redis_patterns:boards:*"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def players() -> list[Player]:
    """Ada 30, Bob 20, Cid 10 points."""
    return [Player.objects.create(name=name, points=points) for name, points in (("ada", 30), ("bob", 20), ("cid", 10))]


def test_top_is_one_trip_and_one_query(players: list[Player]) -> None:
    """The members come back as instances."""
    with trace.record() as log, CaptureQueriesContext(connection) as queries:
        top = Player.leaderboard.top(2)
    assert top == [Entry(1, 30, players[0]), Entry(2, 20, players[1])]
    assert [entry.obj.name for entry in top] == ["ada", "bob"]
    assert (log.trips, len(queries)) == (1, 1)


def test_every_face_reads_the_board(face: Face, players: list[Player]) -> None:
    """Members are given as instances or as primary keys."""
    board, (ada, bob, cid) = Player.leaderboard, players
    assert [entry.obj for entry in face(board.top)] == players
    assert (face(board.rank, bob), face(board.rank, bob.pk), face(board.rank, str(bob.pk))) == (2, 2, 2)
    assert (face(board.score, cid), face(board.score, 0), face(board.count)) == (10, None, 3)
    assert [entry.obj for entry in face(board.around, cid, 1)] == [bob, cid]
    assert face(board.page, 2, size=2) == face(board.slice, 3, 3) == [Entry(3, 10, cid)]
    assert face(board.percentile, ada.pk) == 100
    assert [(entry.rank, entry.obj) for entry in face(board.among, [cid, ada.pk])] == [(1, ada), (2, cid)]
    assert [entry.obj for entry in face(board.among, Player.objects.filter(name__in=["bob", "cid"]))] == [bob, cid]


def test_a_member_is_of_the_right_model(players: list[Player]) -> None:
    """A row of another model is refused, and so is one that is not saved; kin of the model's will do."""
    assert Play.leaderboard.rank(Guest.objects.get(pk=players[0].pk)) is None
    with pytest.raises(TypeError, match="Members of this board are Players"):
        Player.leaderboard.rank(Vote())
    with pytest.raises(ValueError, match="save it first"):
        Player.leaderboard.rank(Player())


def test_a_board_of_the_database_is_not_written_by_hand() -> None:
    """What Redis alone knew would be drift."""
    for write in (Player.leaderboard.board.add, Player.leaderboard.board.increment):
        with pytest.raises(TypeError, match="save a Player instead"):
            write("ann", 1)


def test_the_best_counts_once_in_each_window(players: list[Player]) -> None:
    """Of the best, the first time that it was reached is ahead."""
    ada, bob, cid = players
    now = timezone.now()
    ages = {"hour": timedelta(0), "old": timedelta(days=40)}
    for player, points, age in ((ada, 5, "hour"), (ada, 9, "old"), (bob, 7, "hour"), (cid, None, "hour")):
        Play.objects.create(player=player, points=points, played_at=now - ages[age])
    Play.objects.create(player=cid, points=9, played_at=now - timedelta(seconds=1))
    assert [(e.rank, e.obj, e.score) for e in Play.leaderboard.top()] == [(1, ada, 9), (1, cid, 9), (3, bob, 7)]
    assert [(e.obj, e.score) for e in Play.leaderboard.window("day").top()] == [(cid, 9), (bob, 7), (ada, 5)]
    Play.objects.create(player=bob, points=9, played_at=now - timedelta(days=50))
    assert [e.obj for e in Play.leaderboard.top()] == [bob, ada, cid]


def test_the_last_counts_by_time_and_then_by_key(players: list[Player]) -> None:
    """An older row that is saved later changes nothing, nor does a row without a score."""
    ada, now = players[0], timezone.now()
    Lap.objects.create(driver=ada, seconds=61.5, at=now)
    Lap.objects.create(driver=ada, seconds=58.25, at=now - timedelta(hours=30))
    assert (Lap.leaderboard.score(ada), Lap.leaderboard.window("hour").score(ada)) == (61.5, 61.5)
    Lap.objects.create(driver=ada, seconds=63, at=now)
    Lap.objects.create(driver=players[1], seconds=60, at=now)
    assert [(e.obj, e.score) for e in Lap.leaderboard.top()] == [(players[1], 60), (ada, 63)]


def test_sums_add_up(players: list[Player]) -> None:
    """Decimals that a double holds are exact; a row without a member counts for nobody."""
    ada, bob, _ = players
    for seller, amount in ((ada, "10.10"), (ada, "5.05"), (bob, "15.15"), (None, "99")):
        Sale.board.create(seller=seller, amount=amount)
    assert [(e.rank, e.score) for e in Sale.board.top()] == [(1, 15.15), (1, 15.15)]
    assert scores(Sale.board.window("month")) == {ada: 15.15, bob: 15.15}
    assert [(e.obj, e.score) for e in Sale.fastest.top()] == [(ada, 5.05), (bob, 15.15)]


def test_a_plain_column_can_be_the_member(caplog: pytest.LogCaptureFixture) -> None:
    """Then a board shows its values, whatever characters they have; rows without one are on no board."""
    for country in ("no", "se", "se", "@home", "", None):
        Vote.objects.create(country=country)
    assert scores(Vote.leaderboard) == {"se": 2, "no": 1, "@home": 1}
    assert (Vote.leaderboard.rank("se"), Vote.leaderboard.score("@home")) == (1, 1)
    Vote.leaderboard.update(weight=2)
    assert scores(Vote.leaderboard) == {"se": 4, "no": 2, "@home": 2}
    assert Vote.leaderboard.rebuild() == 3
    assert scores(Vote.leaderboard) == {"se": 4, "no": 2, "@home": 2}
    assert not caplog.records


def test_rows_deleted_behind_its_back_are_skipped_and_forgotten(players: list[Player], bare_redis: Any) -> None:
    """The page is filled up, and the board asks the database, with a ticket, before it forgets."""
    ada, bob, cid = players
    Play.leaderboard.bulk_create([Play(player=player, points=player.points) for player in players])
    Play.objects.filter(player=ada)._raw_delete("default")
    Player.objects.filter(pk=ada.pk)._raw_delete("default")
    assert [(entry.rank, entry.obj) for entry in Play.leaderboard.top(2)] == [(1, bob), (2, cid)]
    assert [Play.leaderboard.window(name).count() for name in ("day", "week", "all")] == [2, 2, 2]
    assert Play.leaderboard.board.members.text(ada) in bare_redis.zrange(Play.leaderboard.board.key("tickets"), 0, -1)


def test_children_of_an_abstract_model_have_boards_of_their_own() -> None:
    """Each is named after the child."""
    chess, go = Chess.objects.create(score=1), Go.objects.create(score=2)
    assert (scores(Chess.leaderboard), scores(Go.leaderboard)) == ({chess: 1}, {go: 2})
    assert Chess.leaderboard.board.name == "boards.chess.leaderboard"


def test_a_proxy_shares_the_board_of_its_model() -> None:
    """Whoever saves, by either name."""
    guest = Guest.objects.create(points=4)
    assert Guest.leaderboard.board is Player.leaderboard.board
    assert scores(Guest.leaderboard) == {Player.objects.get(): 4}
    Player.objects.get().delete()
    assert Guest.leaderboard.count() == 0
    Guest.objects.create(points=4).delete()
    assert Guest.leaderboard.count() == 0
    assert guest.pk


def test_a_child_with_a_table_is_on_the_board_of_its_parent() -> None:
    """Saves and deletions of the child count."""
    pro = Pro.objects.create(points=4, team="red")
    assert Pro.leaderboard.board is Player.leaderboard.board
    assert scores(Player.leaderboard) == {Player.objects.get(): 4}
    assert Player.leaderboard.rank(pro) == Pro.leaderboard.rank(pro.pk) == 1
    pro.points = 9
    pro.save()
    assert Player.leaderboard.score(pro) == 9
    pro.delete()
    assert Player.leaderboard.count() == 0


def test_a_child_may_have_a_board_over_a_column_of_its_parent() -> None:
    """Then a save, an update and a deletion of the parent count as well."""
    special = Special.objects.create(points=5)
    player = Player.objects.get()
    assert (scores(Special.lowest), scores(Player.leaderboard)) == ({special: 5}, {player: 5})
    player.points = 6
    player.save()
    assert scores(Special.lowest) == {special: 6}
    Player.leaderboard.update(points=7)
    assert (scores(Special.lowest), scores(Player.leaderboard)) == ({special: 7}, {player: 7})
    Special.lowest.update(points=8)
    assert (scores(Special.lowest), scores(Player.leaderboard)) == ({special: 8}, {player: 8})
    player.delete()
    assert (Special.lowest.count(), Player.leaderboard.count()) == (0, 0)


def test_a_parent_without_a_board_is_followed_for_its_child() -> None:
    """Its saves change rows of the child."""
    racer = Racer.leaderboard.create(points=5)
    animal = Animal.objects.get()
    animal.points = 6
    animal.save()
    assert scores(Racer.leaderboard) == {racer: 6}
    animal.delete()
    assert Racer.leaderboard.count() == 0


def test_a_foreign_key_may_refer_to_another_column() -> None:
    """The member is the row all the same."""
    walker, other = Slugged.objects.create(slug="w"), Slugged.objects.create(slug="o")
    step = Step.objects.create(walker=walker, count=3)
    assert scores(Step.leaderboard) == {walker: 3}
    assert Step.leaderboard.rank(walker.pk) == 1
    step.walker = other
    step.save()
    assert scores(Step.leaderboard) == {other: 3}
    Step.leaderboard.update(walker=walker)
    assert scores(Step.leaderboard) == {walker: 3}
    step.delete()
    assert Step.leaderboard.count() == 0


def test_the_managers_own_rows_are_those_of_the_board() -> None:
    """A row that its queryset no longer has leaves the board."""
    photo, other = Photo.objects.create(likes=3), Photo.objects.create(likes=2, hidden=True)
    assert scores(Photo.leaderboard) == {photo: 3}
    assert Photo.leaderboard.rank(str(photo.pk)) == 1
    Photo.objects.filter(pk=other.pk).update(hidden=False)
    Photo.leaderboard.update(hidden=True)
    assert Photo.leaderboard.top() == []
    other.save()
    assert scores(Photo.leaderboard) == {}
    other.hidden = False
    other.save(update_fields=["hidden"])
    assert scores(Photo.leaderboard) == {other: 2}


def test_a_related_manager_shows_the_board_and_counts_its_rows(players: list[Player]) -> None:
    """Django makes it without arguments, of the class of the default manager."""
    ada, bob, _ = players
    for player in (ada, ada, bob):
        player.gift_set.create(worth=2)
    assert (ada.gift_set.count(), Gift.leaderboard.count()) == (2, 2)
    assert [entry.obj for entry in ada.gift_set.top()] == [ada, bob]
    assert [entry.obj for entry in bob.gift_set.window("all").top()] == [ada, bob]
    assert ada.play_set(manager="leaderboard").rank(ada) is None
    with pytest.raises(ValueError, match="the boards board, fastest: ask one of them"):
        ada.sales.top()


def test_a_page_beyond_all_numbers(players: list[Player]) -> None:
    """A page number comes from an address that anybody can write."""
    with pytest.raises(ValueError, match="number is at most"):
        Player.leaderboard.page(10**18)
    assert len(Player.leaderboard.slice(1, 10**19)) == 3


def test_a_template_does_not_rebuild(players: list[Player]) -> None:
    board = Context({"board": Player.leaderboard})
    assert Engine().from_string("{{ board.rebuild }}{{ board.reconcile }}{{ board.count }}").render(board) == "3"
