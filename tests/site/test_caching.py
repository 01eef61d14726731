"""The caching room of Redis Arcade: a hall of fame that a record invalidates, and a herd that is held back."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from arcade.stairs import HEIGHT, WIDTH, stairs
from arcade.streaks import longest_streak
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.browser.arcade import Arcade, arcade

from .visitor import Visitor, found

ORIGIN = r'data-origin="(\w+)"'
RECORD = r'data-record="(\d+)"'
STATE = r'data-state="([^"]*)"'
FIGURE = r"<dt>([^<]+)</dt><dd>([\d.]+)"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arcade]:
    with arcade(tmp_path_factory.mktemp("arcade")) as running:
        yield running


@pytest.fixture(scope="module")
def ada(site: Arcade) -> Visitor:
    return Visitor(site.url).log_in()


def all_back(visitor: Visitor) -> str:
    """Return the rows when the herd is back."""
    for _ in range(600):
        rows = visitor.get("/caching/rows/")
        if found(STATE, rows) not in (["preparing"], ["on"]):
            return rows
        time.sleep(0.05)
    raise AssertionError(f"They never came back: {rows}")


def figures(rows: str) -> dict[str, str]:
    return dict(found(FIGURE, rows))  # type: ignore[arg-type]


def test_visitors_may_watch_but_not_act(site: Arcade, ada: Visitor) -> None:
    visitor = Visitor(site.url)
    assert "You may watch." in visitor.get("/caching/")
    assert "Send a bot" not in visitor.get("/hall-of-fame/")
    visitor.get("/log-in/")
    for path in ("/caching/send/", "/hall-of-fame/beat/"):
        assert visitor.act(path) == (401, "You are logged out. Log in, then try again.")
        assert "please log in" in visitor.submit(path)[1]
        assert ada.submit(path, token="")[0] == 403
        with pytest.raises(AssertionError, match="405"):
            ada.get(path)
    assert ada.act("/caching/send/", scenario="<b>") == (409, "There is no such way to come.")


def test_the_hall_is_counted_for_the_first_and_kept_for_the_others(site: Arcade) -> None:
    one, two = Visitor(site.url), Visitor(site.url)
    one.get("/hall-of-fame/rows/")
    before = found(r'datetime="([^"]+)"', one.get("/hall-of-fame/"))
    page = two.get("/hall-of-fame/")
    assert found(ORIGIN, page)[0] in ("Redis", "copy")
    assert found(r'datetime="([^"]+)"', page) == before


def test_a_record_invalidates_the_hall_and_open_pages_hear_of_it(site: Arcade, ada: Visitor) -> None:
    before = int(found(RECORD, ada.get("/hall-of-fame/"))[0])
    address = site.url.replace("http", "ws") + "/ws/notifications/"
    with connect(address, origin=Origin(site.url), proxy=None) as socket:
        socket.send(json.dumps({"kind": "subscribe", "topic": "caching.hall"}))
        assert json.loads(socket.recv(timeout=10))["kind"] == "subscribed"
        status, says = ada.act("/hall-of-fame/beat/")
        heard = json.loads(socket.recv(timeout=10))
    assert status == 200
    assert heard["type"] == "record"
    assert f"{heard['data']['name']} broke the record with {heard['data']['points']:,} points." == says
    rows = ada.get("/hall-of-fame/rows/")
    assert found(ORIGIN, rows) == ["made"]
    assert int(found(RECORD, rows)[0]) == heard["data"]["points"] > before
    assert "EVALSHA finish.lua" in rows or "EVAL finish.lua" in rows


def test_a_herd_is_held_back_and_what_was_invalidated_meanwhile_is_refused_and_made_anew(ada: Visitor) -> None:
    """Two calls for a hundred visitors, one before the invalidation and one after it; and no second herd meanwhile."""
    assert ada.act("/caching/send/", scenario="late")[0] == 200
    status, says = ada.act("/caching/send/", scenario="warm")
    assert status == 409
    assert says.startswith("100 visitors are on their way already.")
    rows = all_back(ada)
    assert found(STATE, rows) == ["over"]
    told = figures(rows)
    assert (told["Visitors"], told["Calls of the function"], told["Waited and were woken"]) == ("100", "2", "98")
    lanes = [found(f'rect class="({kind})"', rows) for kind in ("wait", "stored", "refused")]
    assert [len(lane) for lane in lanes] == [100, 1, 1]


def test_a_streak_is_days_in_a_row() -> None:
    first = date(2026, 2, 27)
    days = [first + timedelta(days=number) for number in (0, 1, 2, 5, 6, 9)]
    assert longest_streak(reversed(days)) == 3
    assert longest_streak([first]) == 1
    assert longest_streak([]) == 0


def test_a_stair_rises_from_left_to_right_within_its_box() -> None:
    drawn = stairs(
        [(NOON, 3000), (NOON + timedelta(hours=1), 3500), (NOON + timedelta(hours=3), 4000)], NOON + timedelta(hours=4)
    )
    assert drawn
    assert [x for x, _ in drawn.steps] == [0, WIDTH / 4, WIDTH * 3 / 4]
    heights = [y for _, y in drawn.steps]
    assert heights == sorted(heights, reverse=True)
    assert all(0 < y < HEIGHT for y in heights)
    assert stairs([], NOON) is None
    assert stairs([(NOON, 10)], NOON)
