"""Writes of which Django tells nobody: through the manager, its querysets and related managers they are followed."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core import serializers
from django.db import connection, models, transaction

from django_redis_patterns.core import trace
from tests.boards.models import Chess, Gift, Guest, Player, Pro, Slugged, Step
from tests.leaderboards.shown import Undo, scores

pytestmark = [pytest.mark.permanent_keys("redis_patterns:boards:*"), pytest.mark.django_db(transaction=True)]


BULK: dict[str, tuple[Callable[[Player, Player], Any], dict[int, int]]] = {
    "update": (lambda ada, bob: Gift.leaderboard.filter(worth=1).update(worth=7), {0: 9, 1: 3}),
    "update to nobody": (lambda ada, bob: Gift.leaderboard.update(giver=None), {}),
    "update of the member": (lambda ada, bob: Gift.leaderboard.filter(giver=ada).update(giver_id=bob.pk), {1: 6}),
    "update of what was filtered": (lambda ada, bob: ada.gift_set.exclude(worth=1).update(worth=1), {0: 2, 1: 3}),
    "bulk_create": (lambda ada, bob: Gift.leaderboard.bulk_create([Gift(giver=bob, worth=4)]), {0: 3, 1: 7}),
    "bulk_update": (
        lambda ada, bob: Gift.leaderboard.bulk_update([reassigned(ada, bob)], ["giver", "worth"]),
        {0: 2, 1: 13},
    ),
    "delete": (lambda ada, bob: Gift.leaderboard.filter(giver=ada).delete(), {1: 3}),
    "plain delete": (lambda ada, bob: Gift._base_manager.filter(giver=ada).delete(), {1: 3}),
    "update_or_create": (
        lambda ada, bob: Gift.leaderboard.update_or_create(worth=3, defaults={"giver": ada}),
        {0: 6},
    ),
    "get_or_create": (lambda ada, bob: ada.gift_set.get_or_create(worth=8), {0: 11, 1: 3}),
    "related create": (lambda ada, bob: ada.gift_set.create(worth=8), {0: 11, 1: 3}),
    "related add": (lambda ada, bob: ada.gift_set.add(*bob.gift_set.all()), {0: 6}),
    "related add, row by row": (lambda ada, bob: ada.gift_set.add(*bob.gift_set.all(), bulk=False), {0: 6}),
    "related set": (lambda ada, bob: ada.gift_set.set(bob.gift_set.all()), {0: 3}),
    "related remove": (lambda ada, bob: ada.gift_set.remove(*ada.gift_set.filter(worth=1)), {0: 2, 1: 3}),
    "related clear": (lambda ada, bob: ada.gift_set.clear(), {1: 3}),
    "of another manager of the class": (
        lambda ada, bob: ada.gift_set(manager="leaderboard").filter(worth=1).update(worth=5),
        {0: 7, 1: 3},
    ),
}
ASYNC: dict[str, tuple[Callable[[Player, Gift], Any], dict[int, int]]] = {
    "asave": (lambda ada, gift: gift.asave(), {0: 3, 1: 3}),
    "aupdate": (lambda ada, gift: Gift.leaderboard.filter(worth=1).aupdate(worth=7), {0: 9, 1: 3}),
    "abulk_create": (lambda ada, gift: Gift.leaderboard.abulk_create([Gift(giver=ada, worth=4)]), {0: 7, 1: 3}),
    "abulk_update": (
        lambda ada, gift: Gift.leaderboard.abulk_update([Gift(pk=gift.pk, worth=8)], ["worth"]),
        {0: 3, 1: 8},
    ),
    "adelete": (lambda ada, gift: Gift.leaderboard.filter(giver=ada).adelete(), {1: 3}),
    "acreate": (lambda ada, gift: Gift.leaderboard.acreate(giver=ada, worth=1), {0: 4, 1: 3}),
    "aupdate_or_create": (
        lambda ada, gift: Gift.leaderboard.aupdate_or_create(worth=3, defaults={"giver": ada}),
        {0: 6},
    ),
    "related aadd": (lambda ada, gift: ada.gift_set.aadd(gift), {0: 6}),
}


def reassigned(ada: Player, bob: Player) -> Gift:
    gift = Gift.leaderboard.get(giver=ada, worth=1)
    gift.giver, gift.worth = bob, 10
    return gift


@pytest.fixture
def gifts(players: list[Player]) -> list[Player]:
    """Ada gave 1 and 2, Bob 3."""
    Gift.leaderboard.bulk_create([Gift(giver=players[i], worth=worth) for i, worth in ((0, 1), (0, 2), (1, 3))])
    assert scores(Gift.leaderboard) == {players[0]: 3, players[1]: 3}
    return players


@pytest.mark.parametrize("name", BULK)
def test_writes_through_the_manager_are_followed(gifts: list[Player], name: str) -> None:
    """Also those of which Django tells nobody."""
    act, expected = BULK[name]
    act(gifts[0], gifts[1])
    assert scores(Gift.leaderboard) == {gifts[i]: score for i, score in expected.items()}


@pytest.mark.parametrize("name", ASYNC)
def test_async_writes_are_followed(gifts: list[Player], name: str) -> None:
    """They are the same writes on a thread."""
    act, expected = ASYNC[name]
    gift = Gift.leaderboard.get(worth=3)

    async def write() -> None:
        await act(gifts[0], gift)

    async_to_sync(write)()
    assert scores(Gift.leaderboard) == {gifts[i]: score for i, score in expected.items()}


def test_a_bulk_creation_that_tells_no_keys_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some databases tell none; a row that is its own member is then found by being new."""
    chess = Chess.objects.create(score=1)
    Chess.leaderboard.bulk_create([Chess(score=2), Chess(pk=chess.pk, score=9)], ignore_conflicts=True)
    monkeypatch.setattr(type(connection.features), "can_return_rows_from_bulk_insert", False)
    made = Chess.leaderboard.bulk_create([Chess(score=3), Chess(score=4)])
    assert made[0].pk is None
    assert sorted(scores(Chess.leaderboard).values()) == [1, 2, 3, 4]


def test_a_bulk_creation_that_tells_no_keys_tells_its_members(gifts: list[Player]) -> None:
    """They are in memory, or found by the new keys."""
    Gift.leaderboard.bulk_create([Gift(giver=gifts[2], worth=4)], ignore_conflicts=True)
    assert scores(Gift.leaderboard)[gifts[2]] == 4
    walker = Slugged.objects.create(slug="w")
    Step.leaderboard.bulk_create([Step(walker=walker, count=5)], ignore_conflicts=True)
    assert scores(Step.leaderboard) == {walker: 5}


def test_a_fixture_may_change_whose_row_it_is() -> None:
    """Its rows look new, and may be there already."""
    one, other = Slugged.objects.create(slug="one"), Slugged.objects.create(slug="other")
    step = Step.objects.create(walker=one, count=3)
    step.walker = other
    for loaded in serializers.deserialize("python", serializers.serialize("python", [step])):
        loaded.save()
    assert scores(Step.leaderboard) == {other: 3}


def test_an_update_may_be_of_any_queryset(players: list[Player]) -> None:
    """Locked, distinct, joined, grouped, deferred, of values, or of nothing."""
    board = Player.leaderboard
    for points, rows in enumerate(
        [
            board.distinct(),
            board.filter(play__isnull=True),
            board.annotate(plays=models.Count("play")).filter(plays=0),
            board.filter(name="ada") | board.exclude(name="ada"),
            board.order_by("name").values("name"),
            board.defer("points"),
        ],
        start=1,
    ):
        rows.update(points=points)
        assert [*scores(board).values()] == [points] * 3
    board.none().update(points=9)
    with transaction.atomic():
        board.select_for_update().filter(pk=players[0].pk).update(points=8)
    assert scores(board) == {players[0]: 8, players[1]: 6, players[2]: 6}


def test_bulk_writes_of_children_and_proxies_are_followed() -> None:
    """They are rows of the model with the board."""
    Pro.leaderboard.create(points=4, team="red")
    Guest.leaderboard.create(points=1)
    Pro.leaderboard.filter(team="red").update(points=7)
    assert [*scores(Player.leaderboard).values()] == [7, 1]
    Guest.leaderboard.filter(points=1).update(points=9)
    assert [*scores(Player.leaderboard).values()] == [9, 7]
    Pro.objects.all().delete()
    Guest.objects.all().delete()
    assert Player.leaderboard.count() == 0


def test_a_bulk_write_and_its_rollback(gifts: list[Player]) -> None:
    """One flush, or none."""
    with trace.record() as log, suppress(Undo), transaction.atomic():
        Gift.leaderboard.update(worth=50)
        Gift.leaderboard.bulk_create([Gift(giver=gifts[2], worth=4)])
        raise Undo
    assert log.trips == 0
    assert scores(Gift.leaderboard) == {gifts[0]: 3, gifts[1]: 3}


def test_django_still_refuses_what_it_refuses(gifts: list[Player]) -> None:
    """With its own words."""
    with pytest.raises(TypeError, match="Cannot update a query once a slice has been taken"):
        Gift.leaderboard.all()[:1].update(worth=1)
    with pytest.raises(TypeError, match="Gift"):
        gifts[0].gift_set.add(gifts[1])


def test_the_member_in_memory_is_not_believed(players: list[Player]) -> None:
    """A save of other columns, and a delete, ask the database whose row it is."""
    ada, bob, _ = players
    gift = Gift.leaderboard.create(giver=ada, worth=5)
    stale, gone = Gift.leaderboard.get(pk=gift.pk), Gift.leaderboard.get(pk=gift.pk)
    gift.giver = bob
    gift.save()
    stale.worth = 50
    stale.save(update_fields=["worth"])
    assert scores(Gift.leaderboard) == {bob: 50}
    gift.giver = ada  # and not saved
    gift.worth = 7
    gift.save(update_fields=["worth"])
    assert scores(Gift.leaderboard) == {bob: 7}
    gone.delete()
    assert scores(Gift.leaderboard) == {}
