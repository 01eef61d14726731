"""The locks of Redis Arcade: who may act, what is refused, and a season that only one closes."""

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.browser.arcade import Arcade, arcade

from .visitor import Visitor, found

ACTIONS = ["queue", "queue-bots", "kill", "release", "close-season"]
INSIDE = r'class="booth[^"]*">\s*<h3>(\w+)'
LINE = r'<li class="row" data-seat="\d+">.*?class="name">([\w-]+)'
FENCE = r'data-fence="(\d+)"'


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arcade]:
    with arcade(tmp_path_factory.mktemp("arcade")) as running:
        yield running


@pytest.fixture
def ada(site: Arcade) -> Visitor:
    return Visitor(site.url).log_in()


def line(page: str) -> list[str]:
    return re.findall(LINE, page, re.DOTALL)


def wait_until_inside(visitor: Visitor, state: str, fence: str = "") -> str:
    """Return the rows as soon as the booth is in *state*, for another holder than that of *fence*."""
    for _ in range(200):
        rows = visitor.get("/locks/rows/")
        if found(INSIDE, rows) == [state] and found(FENCE, rows) != [fence]:
            return rows
        time.sleep(0.05)
    raise AssertionError(f"The booth never came to {state}: {rows}")


def wait_until_told(visitor: Visitor, what: str) -> None:
    """Wait until the page has it of those who were through: they say so when they are out, which the next one hears."""
    for _ in range(200):
        if what in visitor.get("/locks/rows/"):
            return
        time.sleep(0.05)
    raise AssertionError(f"It was never told: {what}")


def test_visitors_may_watch_but_not_act(site: Arcade) -> None:
    visitor = Visitor(site.url)
    assert found(INSIDE, visitor.get("/locks/")) == ["Free"]
    assert "Nobody waits" in visitor.get("/locks/rows/")
    visitor.get("/log-in/")
    for action in ACTIONS:
        assert visitor.act(f"/locks/{action}/") == (401, "You are logged out. Log in, then try again.")
        assert "please log in" in visitor.submit(f"/locks/{action}/")[1]
    assert found(INSIDE, visitor.get("/locks/")) == ["Free"]


def test_visitors_follow_the_locks_of_the_page_and_no_others(site: Arcade) -> None:
    answers = {}
    with connect(site.url.replace("http", "ws") + "/ws/notifications/", origin=Origin(site.url), proxy=None) as socket:
        for lock in ("turnstile", "season", "payroll"):
            socket.send(json.dumps({"kind": "subscribe", "topic": f"locks.{lock}"}))
            answers[lock] = json.loads(socket.recv(timeout=10))["kind"]
    assert answers == {"turnstile": "subscribed", "season": "subscribed", "payroll": "denied"}


def test_actions_are_posts_that_come_from_the_page(site: Arcade, ada: Visitor) -> None:
    for action in ACTIONS:
        assert ada.submit(f"/locks/{action}/", token="")[0] == 403
        with pytest.raises(AssertionError, match="405"):
            ada.get(f"/locks/{action}/")
    assert found(INSIDE, ada.get("/locks/")) == ["Free"]


def test_who_comes_first_is_in_and_the_others_stand_in_their_order(ada: Visitor) -> None:
    assert ada.act("/locks/queue/") == (200, "ada is in the queue.")
    assert "5 bots sent to the turnstile." in ada.submit("/locks/queue-bots/")[1]
    rows = ada.get("/locks/rows/")
    assert found(INSIDE, rows) == ["Inside"]
    waiting = line(rows)
    assert len(waiting) >= 4  # who came last waits for ten seconds
    first = found(FENCE, rows)[0]
    rows = wait_until_inside(ada, "Inside", first)
    moved_up = line(rows)
    assert 0 < len(moved_up) < len(waiting)
    assert moved_up == waiting[-len(moved_up) :]
    assert int(found(FENCE, rows)[0]) > int(first)
    assert "ZRANGE arcade:locks:{turnstile}:queue" in rows
    wait_until_told(ada, "EVALSHA turnstile.lua 3 arcade:locks:{turnstile}:holders")


def test_the_queue_has_an_end(ada: Visitor) -> None:
    with ThreadPoolExecutor(8) as clicks:
        list(clicks.map(lambda _: ada.act("/locks/queue-bots/"), range(8)))
    assert len(line(ada.get("/locks/rows/"))) <= 11
    answers = (ada.act("/locks/queue/") for _ in range(100))  # now and then somebody leaves in between
    assert next(says for status, says in answers if status == 409).startswith("12 are on their way already.")


def act_in_time(visitor: Visitor, action: str) -> tuple[str, str, str]:
    """Do it to a holder before it leaves; return its fence, who comes next, and what was said."""
    visitor.act("/locks/queue/")
    visitor.act("/locks/queue-bots/")
    for _ in range(5):
        rows = wait_until_inside(visitor, "Inside")
        fence, second = found(FENCE, rows)[0], line(rows)[0]
        status, says = visitor.act(f"/locks/{action}/", fence=fence)
        if status == 200:
            return fence, second, says
    raise AssertionError(f"They were all too quick: {says}")


def test_after_a_killed_holder_the_next_one_comes_in_when_its_time_is_up(ada: Visitor) -> None:
    fence, second, says = act_in_time(ada, "kill")
    assert re.match(r"[\w-]+ vanished with the lock\.", says)
    assert found(FENCE, wait_until_inside(ada, "Vanished")) == [fence]
    rows = wait_until_inside(ada, "Inside", fence)
    assert f'<p class="name">{second}</p>' in rows
    assert '<span class="badge">vanished</span>' in rows
    assert ada.act("/locks/kill/", fence=fence)[0] == 409
    assert ada.act("/locks/release/", fence=fence) == (409, "That holder has left already.")


def test_a_holder_that_is_put_out_is_told_and_the_next_one_is_in_at_once(ada: Visitor) -> None:
    fence, second, _ = act_in_time(ada, "release")
    assert f'<p class="name">{second}</p>' in wait_until_inside(ada, "Inside", fence)
    wait_until_told(ada, '<span class="badge">put out</span>')


def test_who_still_waits_cannot_be_killed(ada: Visitor) -> None:
    ada.act("/locks/queue/")
    ada.act("/locks/queue-bots/")
    for fence in ("0", "", "x"):
        assert ada.act("/locks/kill/", fence=fence)[0] == 409
    wait_until_inside(ada, "Inside", found(FENCE, ada.get("/locks/rows/"))[0])
    assert "vanished" not in ada.get("/locks/rows/")


@pytest.mark.parametrize("field", ["", "x", "-1", "1.5", "٣", "9" * 40, "<b>"])
def test_numbers_that_are_none_are_refused(shared: Visitor, field: str) -> None:
    assert shared.act("/locks/kill/", fence=field)[0] == 409
    assert shared.act("/locks/release/", fence=field)[0] == 409
    assert shared.act("/locks/close-season/", season=field) == (409, "There is no such season.")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """Ada at a site where nothing comes of what the tests do."""
    with arcade(tmp_path_factory.mktemp("arcade")) as running:
        yield Visitor(running.url).log_in()


def test_a_season_is_closed_by_exactly_one_however_many_ask(site: Arcade, ada: Visitor) -> None:
    with ThreadPoolExecutor(10) as clicks:
        answers = list(clicks.map(lambda _: ada.act("/locks/close-season/", season=1), range(10)))
    (won,) = [says for status, says in answers if status == 200]
    assert won.startswith("You closed season 1. The champion: ")
    busy = r"Season 1 is being closed right now, by \S+:\d+ since \d\d:\d\d:\d\d\. One is enough\."
    late = "Season 1 is closed already: ada was first."
    others = [says for status, says in answers if status == 409]
    assert len(others) == 9
    assert all(says == late or re.fullmatch(busy, says) for says in others)
    assert any(re.fullmatch(busy, says) for says in others)
    rows = ada.get("/locks/rows/")
    assert found(r'data-season="(\d+)"', rows) == ["2"]
    assert len(found("Closed by <strong>(ada)</strong>", rows)) == 1
    assert won.rpartition(": ")[2].rstrip(".") in rows
    assert ada.act("/locks/close-season/", season=1) == (409, late)
    assert ada.act("/locks/close-season/", season=2) == (
        409,
        "Nobody has played in season 2 yet: there is nobody to crown.",
    )
    with urllib.request.urlopen(f"{site.url}/leaderboards/") as page:
        assert 'class="row rank-1' in page.read().decode()
