"""The streams room of Redis Arcade: games that are events, machines that are killed, and a poison game."""

import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from arcade.badges import Form, earned
from arcade.incidents import Incident, fates, in_hand
from arcade.machines import pid_of
from arcade.readers import Reader
from arcade.tape import Cell, Entry, track

from django_redis_patterns.streams import DeadLetter, Lag, PendingEvent
from tests.browser.arcade import Arcade, arcade

from .visitor import Visitor, found

ACTIONS = ["play", "break-off", "kill", "pull-the-plug", "switch-on", "deploy", "redrive"]
AT_WORK = r"<strong>(\d+)</strong> <span>achievements: "
BEHIND = r'class="number behind"><strong>([\d,]+)'
PENDING = r'class="number pending">([\d,]+)'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arcade]:
    with arcade(tmp_path_factory.mktemp("arcade"), machines=2) as running:
        yield running


@pytest.fixture(scope="module")
def ada(site: Arcade) -> Visitor:
    return Visitor(site.url).log_in()


def wait_until(visitor: Visitor, is_so: Callable[[str], object], what: str) -> str:
    """Return the rows as soon as they are so."""
    return visitor.wait("/streams/rows/", is_so, what)


def is_idle(rows: str) -> bool:
    """Whether both groups have come, and have nothing left to do."""
    return found(BEHIND, rows) == found(PENDING, rows) == ["0", "0"]


def kill_in_time(visitor: Visitor) -> str:
    """Play games and kill a process that works at them; returns the number of events that were in its hand."""
    visitor.act("/streams/play/", games="burst")
    for _ in range(20):
        rows = wait_until(visitor, lambda rows: found(AT_WORK, rows) or is_idle(rows), "Nobody came to work")
        if is_idle(rows):
            visitor.act("/streams/play/", games="burst")
            continue
        status, says = visitor.act("/streams/kill/", pid=found(AT_WORK, rows)[0])
        if status == 200 and "with 0 events" not in says:
            return found(r"with (\d+) events?", says)[0]
    raise AssertionError(f"Nobody had anything in hand: {says}")


def test_visitors_may_watch_but_not_act(site: Arcade, ada: Visitor) -> None:
    visitor = Visitor(site.url)
    assert "You may watch." in visitor.get("/streams/")
    assert "<button" not in visitor.get("/streams/rows/")
    visitor.get("/log-in/")
    for action in ACTIONS:
        path = f"/streams/{action}/"
        assert visitor.act(path) == (401, "You are logged out. Log in, then try again.")
        assert "please log in" in visitor.submit(path)[1]
        assert ada.submit(path, token="")[0] == 403
        with pytest.raises(AssertionError, match="405"):
            ada.get(path)


@pytest.mark.parametrize(
    ("action", "fields", "says"),
    [
        ("play", {"games": "1000000"}, "There is no such number of games."),
        ("kill", {"pid": "x"}, "That is no process of these machines, or it is gone already."),
        ("kill", {"pid": "9" * 40}, "That is no process of these machines, or it is gone already."),
        ("pull-the-plug", {"machine": "-1"}, "This site has no such machine."),
        ("switch-on", {"machine": "3"}, "This site has no such machine."),
        ("switch-on", {"machine": "1"}, "Machine 1 is on already."),
        ("deploy", {"release": "3"}, "There is no such release."),
        ("redrive", {}, "There are no dead letters."),
    ],
)
def test_what_makes_no_sense_is_refused(ada: Visitor, action: str, fields: dict[str, str], says: str) -> None:
    assert ada.act(f"/streams/{action}/", **fields) == (409, says)


def test_nobody_else_can_be_killed(site: Arcade, ada: Visitor) -> None:
    """Neither the site itself, nor those who look after its processes, nor a stranger."""
    for pid in (site.process.pid, os.getpid(), 1, 0):
        assert ada.act("/streams/kill/", pid=pid)[0] == 409
    assert site.process.poll() is None


def test_a_killed_process_loses_nothing(ada: Visitor) -> None:
    count = kill_in_time(ada)
    rows = wait_until(ada, lambda rows: "Nothing is lost." in rows and is_idle(rows), "It was never taken over")
    assert f"was killed with {count} event" in rows


def test_a_poison_game_is_a_dead_letter_until_the_fix_is_there(ada: Visitor) -> None:
    wait_until(ada, is_idle, "The room never came to rest")
    status, says = ada.act("/streams/break-off/")
    assert status == 200
    (name,) = found(r"^([\w-]+) broke a game off", says)
    rows = wait_until(ada, lambda rows: "given up after 3 attempts" in rows and is_idle(rows), "It was never given up")
    assert f"<strong>{name}</strong>, 0 points" in rows
    assert "ZeroDivisionError: division by zero" in rows
    assert ada.act("/streams/deploy/", release=2)[0] == 200
    wait_until(ada, lambda rows: rows.count("release 2") == 2 and "being deployed" not in rows, "It was never deployed")
    assert ada.act("/streams/deploy/", release=2) == (409, "Release 2 is deployed already.")
    assert ada.act("/streams/redrive/") == (200, "1 dead letter redriven, as new events for that group alone.")
    rows = wait_until(ada, lambda rows: "1 redriven" in rows and is_idle(rows), "It was never redriven")
    assert "redriven for achievements" in rows
    assert "given up" not in rows


ENTRIES = [Entry(f"{number}-0", {"name": "ada", "number": number}) for number in range(1, 6)]


def pending(id: str, consumer: str | None = None, due: datetime | None = None) -> PendingEvent:
    return PendingEvent(id=id, consumer=consumer, deliveries=1, idle=0.0, due=due)


def reader(*events: PendingEvent, unread: int = 0, dead: tuple[str, ...] = ()) -> Reader:
    ages = {"seconds": 0.0, "oldest": 0.0, "seen": None, "consumers": ()}
    counts = {"pending": len(events), "waiting": 0, "failing": 0, "dead": len(dead), "dropped": 0}
    lag = Lag(group="achievements", events=unread, **ages, **counts)  # type: ignore[arg-type]
    letters = tuple(DeadLetter("9-0", event, None, 3, "why") for event in dead)
    return Reader("achievements", lag, {one.id: one for one in events}, letters)


def test_the_tape_shows_what_a_group_has_made_of_each_entry() -> None:
    waits = datetime(2026, 5, 1, tzinfo=UTC)
    group = reader(pending("2-0", "web.7"), pending("3-0", due=waits), pending("4-0"), unread=1)
    told = track(group, ENTRIES, {"web.7": "c3"})
    assert told.cells == [Cell("done"), Cell("hand", "c3"), Cell("retry"), Cell("turn"), Cell("unread")]
    assert told.told() == "1 done, 1 in hand, 1 waiting for a retry, 1 waiting for its turn, 1 unread"
    assert track(group, ENTRIES, {"web.7": "gone"}).told().startswith("1 done, 1 in a dead one’s hand")


def test_the_tape_shows_a_dead_letter_and_its_copy_for_one_group() -> None:
    copies = [Entry("6-0", ENTRIES[0].data, "achievements"), Entry("7-0", ENTRIES[0].data, "activity-feed")]
    told = track(reader(dead=("2-0",)), [*ENTRIES[:2], *copies], {})
    assert [cell.state for cell in told.cells] == ["redriven", "dead", "done", "none"]


def test_a_group_that_has_not_come_yet_has_read_nothing() -> None:
    told = track(Reader("achievements", None, {}, ()), ENTRIES, {})
    assert told.told() == "5 unread"


def test_what_was_in_hand_is_followed_to_its_end() -> None:
    before = reader(*(pending(f"{number}-0", "web.7" if number < 6 else "web.8") for number in range(1, 7)))
    incident = Incident("it", frozenset(in_hand([before], lambda name: name == "web.7")))
    assert len(incident.work) == 5
    after = reader(pending("1-0", "web.7"), pending("2-0", "web.8"), pending("3-0"), dead=("4-0",))
    assert fates(incident, [after], {"web.8"}) == {"left": 1, "again": 1, "waits": 1, "dead": 1, "done": 1}


def test_badges_are_for_games_in_their_order() -> None:
    form = Form()
    assert earned(form, 3000) == ["First coin"]
    for points in (3000, 3100):
        form = form.after(points)
    assert earned(form, 3200) == ["On the rise"]
    assert earned(form, 3000) == []
    assert earned(form, 3900) == ["Sharpshooter", "On the rise"]
    assert earned(form, 1000) == ["Off day"]
    assert "Regular" in earned(Form(games=9, best=3000), 2900)


def test_only_the_release_with_the_bug_fails_at_a_game_without_points() -> None:
    form = Form().after(3000)
    with pytest.raises(ZeroDivisionError):
        earned(form, 0, release=1)
    assert earned(form, 0, release=2) == ["Off day"]
    assert earned(form, 2000, release=1) == earned(form, 2000, release=2)


@pytest.mark.parametrize(("name", "pid"), [("vm.812.5.x", 812), ("vm.٣.5", 0), ("vm", 0), ("", 0), ("vm..", 0)])
def test_the_pid_of_a_consumer(name: str, pid: int) -> None:
    assert pid_of(name) == pid


def test_the_page_shows_the_code_that_runs(ada: Visitor) -> None:
    page = ada.get("/streams/")
    assert "ordered_by=&quot;player&quot;" in page
    assert re.search(r"def award\(event: Event\)", page)
