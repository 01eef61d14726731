"""The queues room of Redis Arcade: a report that is written behind the page, errands, and those who are killed."""

import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from arcade.floor import Bar, Lane, bars, kind_of

from django_redis_patterns.queues import Minute, Stats
from tests.browser.arcade import Arcade, arcade

from .visitor import Visitor, found

ACTIONS = ["order", "cancel", "errands", "kill", "pause", "letters"]
WRITER = r"<strong>(\d+)</strong>(?:(?!<strong>).)*is-report"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arcade]:
    with arcade(tmp_path_factory.mktemp("arcade"), worker=True) as running:
        yield running


@pytest.fixture(scope="module")
def ada(site: Arcade) -> Visitor:
    return Visitor(site.url).log_in()


def wait_until(visitor: Visitor, is_so: Callable[[str], object], what: str) -> str:
    """Return the rows as soon as they are so."""
    return visitor.wait("/queues/rows/", is_so, what)


def is_at_rest(rows: str) -> bool:
    return rows.count("0 waiting, 0 later, 0 in hand") == 2 and len(found(r'id="process-(\d+)"', rows)) == 2


def test_visitors_may_watch_but_not_act(site: Arcade, ada: Visitor) -> None:
    visitor = Visitor(site.url)
    assert "You may watch." in visitor.get("/queues/")
    assert "<button" not in visitor.get("/queues/rows/")
    visitor.get("/log-in/")
    for action in ACTIONS:
        path = f"/queues/{action}/"
        assert visitor.act(path) == (401, "You are logged out. Log in, then try again.")
        assert "please log in" in visitor.submit(path)[1]
        assert ada.submit(path, token="")[0] == 403
        with pytest.raises(AssertionError, match="405"):
            ada.get(path)


@pytest.mark.parametrize(
    ("action", "fields", "says"),
    [
        ("cancel", {}, "It is too late: there is none that waits."),
        ("errands", {"kind": "__class__"}, "There is no such errand."),
        ("kill", {"pid": "x"}, "That is no process of this machine, or it is gone already."),
        ("kill", {"pid": "9" * 40}, "That is no process of this machine, or it is gone already."),
        ("letters", {"do": "retry"}, "There are no dead letters."),
    ],
)
def test_what_makes_no_sense_is_refused(ada: Visitor, action: str, fields: dict[str, str], says: str) -> None:
    assert ada.act(f"/queues/{action}/", **fields) == (409, says)


def test_nobody_else_can_be_killed(site: Arcade, ada: Visitor) -> None:
    """Neither the site itself, nor those who look after its processes, nor a stranger."""
    for pid in (site.process.pid, os.getpid(), 1, 0):
        assert ada.act("/queues/kill/", pid=pid)[0] == 409
    assert site.process.poll() is None


def test_a_report_is_ordered_once_and_taken_back_while_it_waits(ada: Visitor) -> None:
    wait_until(ada, is_at_rest, "The worker never came")
    assert ada.act("/queues/pause/", go="no")[1].startswith("The queues are paused")
    assert ada.act("/queues/order/") == (200, "Ordered. It is written behind the page, chapter by chapter.")
    assert ada.act("/queues/order/")[0] == 200
    rows = ada.get("/queues/rows/")
    assert "Nobody has begun." in rows
    assert "1 waiting, 0 later, 0 in hand, 0 dead, paused" in rows
    assert ada.act("/queues/cancel/") == (200, "Taken back: it had not begun.")
    assert "No report was ordered yet" in ada.get("/queues/rows/")
    assert ada.act("/queues/pause/", go="on") == (200, "The queues go on.")


def test_a_report_is_written_though_its_writer_is_killed(ada: Visitor) -> None:
    """By another process, from its beginning, at once."""
    ada.act("/queues/order/")
    rows = wait_until(ada, lambda rows: "Writing: The podium" in rows and found(WRITER, rows), "Nobody wrote")
    status, says = ada.act("/queues/kill/", pid=found(WRITER, rows)[0])
    assert status == 200
    assert re.fullmatch(r"Process \d+ was killed with 1 task in hand.", says)
    rows = wait_until(ada, lambda rows: "The outlook</dt>" in rows and "Nothing is lost." in rows, "It never ended")
    assert "attempt 2" in rows
    assert len(found(r"<dt>(.*?)</dt><dd>.+?</dd>", rows)) == 8


def test_a_poison_errand_ends_as_a_dead_letter_and_takes_nobody_with_it(ada: Visitor) -> None:
    wait_until(ada, is_at_rest, "It never came to rest")
    assert ada.act("/queues/errands/", kind="poison")[0] == 200
    assert ada.act("/queues/errands/", kind="many") == (200, "20 errands are enqueued, by one trip to Redis.")
    assert ada.act("/queues/errands/", kind="urgent")[0] == 200
    rows = wait_until(
        ada, lambda rows: "4 processes died while they had it" in rows and is_at_rest(rows), "It lived on"
    )
    assert "0 in hand, 1 dead" in rows
    assert ada.act("/queues/letters/", do="discard") == (200, "1 dead letter thrown away.")
    assert "0 in hand, 1 dead" not in ada.get("/queues/rows/")


def test_a_flaky_errand_is_tried_again(ada: Visitor) -> None:
    wait_until(ada, is_at_rest, "It never came to rest")
    ada.act("/queues/errands/", kind="flaky")
    wait_until(ada, lambda rows: "0 waiting, 1 later" in rows, "It did not fail")
    wait_until(ada, is_at_rest, "It was never done")


def minute(pushed: int, done: int) -> Minute:
    return Minute(datetime(2026, 5, 1, tzinfo=UTC), pushed, done, failed=1, dead=0, lost=0, ran=1.0)


def test_the_chart_shows_both_queues_together() -> None:
    stats = Stats(*[0] * 6, None, False)  # type: ignore[arg-type]
    lanes = [Lane(name, stats, [], [], [], [minute(pushed, 2)]) for name, pushed in (("a", 3), ("b", 4))]
    assert bars(lanes) == [Bar(datetime(2026, 5, 1, tzinfo=UTC), pushed=7, done=4, failed=2, dead=0)]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (["arcade.tasks.season_report", [], {}], "report"),
        (["arcade.tasks.poison"], "poison"),
        (None, "errand"),
        ([], "errand"),
    ],
)
def test_the_kind_of_a_task(data: object, kind: str) -> None:
    assert kind_of(data) == kind


def test_the_page_shows_the_code_that_runs(ada: Visitor) -> None:
    page = ada.get("/queues/")
    assert "unique=&quot;one at a time&quot;" in page
    assert "The night shift writes its report at 03:00" in page
    assert re.search(r"def season_report\(context: Any, ordered_by: str\)", page)
