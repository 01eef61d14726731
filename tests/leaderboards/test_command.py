"""``manage.py redis boards``."""

import io
import json

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import transaction

from django_redis_patterns.leaderboards import reconcile
from django_redis_patterns.leaderboards.following import all_boards
from tests.boards.models import Play, Player, Vote

pytestmark = [pytest.mark.permanent_keys("redis_patterns:boards:*"), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def rows(monkeypatch: pytest.MonkeyPatch) -> list[Player]:
    monkeypatch.setattr(reconcile, "SETTLE", 0)
    with transaction.atomic():
        players = [Player.objects.create(name=name, points=points) for name, points in (("ada", 9), ("bob", 7))]
        Play.objects.create(player=players[0], points=3)
    return players


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("redis", "boards", *args, stdout=out)
    return out.getvalue()


def test_list_names_every_board() -> None:
    """With how many members each window has."""
    lines = run("list").splitlines()
    assert len(lines) == len(all_boards())
    assert next(line for line in lines if "boards.player." in line).split() == ["all", "2", "boards.player.leaderboard"]
    told = {row["board"]: row["members"] for row in json.loads(run("list", "--json"))}
    assert told["boards.play.leaderboard"] == {"day": 1, "week": 1, "all": 1}


def test_show_shows_the_best(rows: list[Player]) -> None:
    """A part of a name will do when only one board has it."""
    assert [line.split()[:2] for line in run("show", "player.leaderboard").splitlines()] == [["1", "9"], ["2", "7"]]
    told = json.loads(run("show", "boards.play.leaderboard", "--window", "day", "--count", "1", "--json"))
    member = f"@boards.player:{rows[0].pk}"
    assert told == [{"rank": 1, "score": 3, "member": member, "name": str(rows[0])}]


def test_a_name_that_is_not_clear_is_an_error() -> None:
    """It says what there is."""
    with pytest.raises(CommandError, match=r"0 boards are meant by 'nothing'. There are: boards.chess"):
        run("show", "nothing")
    with pytest.raises(
        CommandError, match=r"2 boards are meant by 'sale'. There are: boards.sale.board, boards.sale.f"
    ):
        run("rebuild", "sale")
    with pytest.raises(CommandError, match="window 'dya' is unknown"):
        run("show", "boards.play.", "--window", "dya")


def test_rebuild_makes_boards_anew(bare_redis: redis.Redis) -> None:
    """Those that are named, or all."""
    bare_redis.flushall()
    assert run("rebuild", "boards.player.") == "boards.player.leaderboard: 2 members\n"
    assert (Player.leaderboard.count(), Play.leaderboard.count()) == (2, 0)
    assert len(run("rebuild").splitlines()) == len(all_boards())
    assert Play.leaderboard.count() == 1


def test_reconcile_tells_by_its_exit_code(bare_redis: redis.Redis) -> None:
    """1 when something differs and was not mended."""
    assert "boards.player.leaderboard: 0 missing, 0 wrong, 0 ghost" in run("reconcile").splitlines()
    bare_redis.flushall()
    with pytest.raises(SystemExit) as ended:
        run("reconcile", "boards.player.")
    assert ended.value.code == 1
    (told,) = json.loads(run("reconcile", "boards.player.", "--fix", "--json"))
    assert told == {"board": "boards.player.leaderboard", "missing": 2, "wrong": 0, "ghost": 0}
    assert Player.leaderboard.count() == 2


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_another_database_can_be_read() -> None:
    """By its alias."""
    Vote.objects.create(country="no")
    assert run("rebuild", "vote", "--database", "other") == "boards.vote.leaderboard: 0 members\n"
    assert Vote.leaderboard.count() == 0


def test_the_bar_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, so that what is told can be piped; by itself on a terminal only."""
    run("rebuild", "boards.player.")
    assert capsys.readouterr().err == ""
    run("rebuild", "boards.player.", "--progress")
    told = capsys.readouterr().err
    assert told == f"\rboards.player.leaderboard {'█' * 30} 2/2\n"


def test_the_bar_shows_itself_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """And grows."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    monkeypatch.setattr("django_redis_patterns.leaderboards.rebuild.PLACES", 1)
    run("rebuild", "boards.player.")
    half = "█" * 15 + "░" * 15
    assert terminal.getvalue() == f"\rboards.player.leaderboard {half} 1/2\rboards.player.leaderboard {'█' * 30} 2/2\n"


def test_an_area_and_an_action_are_asked_for() -> None:
    """Without them the command says what there is."""
    for args in ((), ("boards",), ("nothing",)):
        with pytest.raises(CommandError, match=r"required: a|invalid choice"):
            call_command("redis", *args)


def test_a_database_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandError, match=r"no database 'nope'. There are: default, other"):
        call_command("redis", "boards", "reconcile", "--database", "nope")
