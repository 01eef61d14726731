"""The queues room in several windows: a report whose progress is pushed, and the life of the queues."""

import re
from collections.abc import Callable, Iterator

import pytest

from .arcade import Arcade, arcade
from .players import log_in, watch

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need: pip install playwright")
from playwright.sync_api import Locator, Page, expect  # noqa: E402

pytestmark = pytest.mark.browser

LONG = 90_000  # ms; only what fails waits that long


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arcade]:
    """A demo that runs a worker, too."""
    with arcade(tmp_path_factory.mktemp("arcade"), worker=True) as running:
        yield running


def act(page: Page, button: str, where: Locator | None = None) -> str:
    """Click the first such *button*; return what was said."""
    with page.expect_response(lambda answer: answer.request.method == "POST") as answer:
        (where or page).get_by_role("button", name=button).first.click()
    says: str = answer.value.json()["says"]
    expect(page.locator(".says", has_text=says)).to_have_count(1)
    return says


def expect_rest(page: Page) -> None:
    """Wait until nothing is left to do."""
    expect(page.locator("[data-moving]")).to_have_count(0, timeout=LONG)


def test_every_window_sees_the_progress_of_a_report(site: Arcade, visit: Callable[..., Page]) -> None:
    player, watching = visit(site.url), visit(site.url)
    log_in(player)
    watch(player, "/queues/", "queues.reports")
    heard = watch(watching, "/queues/", "queues.reports")
    expect(watching.locator("main button")).to_have_count(0)

    act(player, "Order the season report")

    bar = watching.get_by_role("progressbar", name="Chapters written")
    expect(bar).to_have_attribute("aria-valuenow", re.compile("[1-8]"), timeout=LONG)
    for page in (player, watching):
        expect(page.locator("#report .chapters div")).to_have_count(8, timeout=LONG)
        expect(page.locator("#report .badge").first).to_have_text("written")
    chapters = [frame for frame in heard if "progress" in frame]
    assert len(chapters) >= 8  # pushed, each of them


def test_who_writes_is_killed_and_the_report_is_written(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url)
    log_in(page)
    watch(page, "/queues/", "queues.reports")
    expect_rest(page)

    act(page, "Order the season report")
    writer = page.locator(".process:not(.gone)", has=page.locator(".is-report"))
    writer.first.wait_for(timeout=LONG)
    assert "was killed with 1 task in hand" in act(page, "Kill process", writer)

    expect(page.locator("#report")).to_contain_text("attempt 2", timeout=LONG)
    expect(page.locator(".kill").first).to_contain_text("Nothing is lost.", timeout=LONG)
    expect(page.locator("#report .chapters div")).to_have_count(8)


def test_poison_ends_alone(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url)
    log_in(page)
    watch(page, "/queues/", "queues.errands")
    expect_rest(page)

    act(page, "Send 20 errands")
    act(page, "A poison one")
    act(page, "A flaky one")

    expect(page.locator(".letter")).to_contain_text("4 processes died while they had it", timeout=LONG)
    expect_rest(page)
    expect(page.locator("[data-queue=errands] p")).to_have_text("0 waiting, 0 later, 0 in hand, 1 dead")
    assert act(page, "Throw them away") == "1 dead letter thrown away."
    expect(page.locator(".letter")).to_have_count(0)


def test_forms_without_a_script_work_too(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url, java_script_enabled=False)
    log_in(page)
    page.goto("/queues/")
    page.get_by_role("button", name="An urgent one").click()
    expect(page.locator(".messages")).to_contain_text("it goes before all that wait")
    page.get_by_role("button", name="Pause the queues").click()
    expect(page.locator(".messages")).to_contain_text("The queues are paused")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".messages")).to_contain_text("The queues go on.")
