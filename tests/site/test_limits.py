"""The limits of Redis Arcade: the machine that shows four of them, and those that it keeps itself."""

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.arcade import PASSWORD, PLAYER, Arcade, arcade

from .visitor import Visitor


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arcade]:
    with arcade(tmp_path_factory.mktemp("arcade")) as running:
        yield running


def readings(page: str) -> dict[str, Any]:
    """What a fragment tells the page's script."""
    (told,) = re.findall(r'<script id="readings" type="application/json">(.*?)</script>', page)
    found: dict[str, Any] = json.loads(html.unescape(told))
    return found


@pytest.fixture
def visitor(site: Arcade) -> Visitor:
    visitor = Visitor(site.url)
    visitor.get("/rate-limits/")
    return visitor


def hits(visitor: Visitor, times: str) -> list[list[bool]]:
    status, page = visitor.submit("/rate-limits/hit/", times=times)
    assert status == 200, page
    return [reading["hits"] for reading in readings(page).values()]


def test_a_hit_is_counted_in_four_ways_at_once(visitor: Visitor) -> None:
    assert hits(visitor, "1") == [[True]] * 4
    assert {reading["remaining"] for reading in json.loads(visitor.get("/rate-limits/look/")).values()} == {9}


SAID = {"5": 5, "6": 5, "999999": 1, "-3": 1, "many": 1, "": 1, "\u0665": 1}


def test_what_a_form_may_say(visitor: Visitor) -> None:
    for times, count in SAID.items():
        assert {len(lane) for lane in hits(visitor, times)} == {count}, times


def test_the_eleventh_is_denied_and_a_new_start_forgets_all(visitor: Visitor) -> None:
    hits(visitor, "5"), hits(visitor, "5")
    page = visitor.submit("/rate-limits/hit/", times="1")[1]
    assert readings(page)["log"]["hits"] == [False]
    assert 0 < readings(page)["log"]["frees"] <= 10_000
    visitor.submit("/rate-limits/start-over/")
    assert hits(visitor, "1") == [[True]] * 4


def test_who_asks_the_machine_too_often_is_told_to_wait(visitor: Visitor) -> None:
    """Thirty at once, and five more a second: a busy machine is quicker than that, too."""
    statuses = (visitor.submit("/rate-limits/hit/", times="1")[0] for _ in range(200))
    assert next(number for number, status in enumerate(statuses) if status == 429) > 20


def test_the_sixth_guess_waits_and_the_right_password_too(site: Arcade) -> None:
    visitor = Visitor(site.url)
    visitor.get("/log-in/")
    answers = [visitor.submit("/log-in/", username=PLAYER, password=f"guess {n}") for n in range(6)]
    assert [status for status, _ in answers] == [200] * 5 + [429]
    assert "Even the invaders slow down" in answers[5][1]
    assert visitor.submit("/log-in/", username=PLAYER, password=PASSWORD)[0] == 429


def test_scores_are_limited(site: Arcade) -> None:
    visitor = Visitor(site.url).log_in()
    statuses = [visitor.submit("/quick-draw/start/")[0] for _ in range(62)]
    assert statuses == [200] * 60 + [429] * 2
