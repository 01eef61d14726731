"""The caching room in several windows: a herd that is held back, and a hall of fame that is new when a record falls."""

import re
from collections.abc import Callable

import pytest

from .arcade import Arcade
from .players import log_in, sign_up, watch

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need: pip install playwright")
from playwright.sync_api import Locator, Page, expect  # noqa: E402

pytestmark = pytest.mark.browser


def figure(page: Page, name: str) -> Locator:
    return page.locator("#herd .figures div", has=page.get_by_text(name, exact=True)).locator("dd")


def expect_run(page: Page, title: str) -> None:
    """Wait until the page shows that all of this run are back."""
    expect(page.locator("#herd .screen-head h3")).to_have_text(title)
    expect(page.locator("#herd")).to_have_attribute("data-state", "over")


def test_a_herd_is_held_back_in_every_window(site: Arcade, visit: Callable[..., Page]) -> None:
    player, watching = visit(site.url), visit(site.url)
    sign_up(player, "barbara")
    for page in (player, watching):
        watch(page, "/caching/", "caching.herd")
    expect(watching.get_by_role("button", name="To a cold page")).to_have_count(0)

    player.get_by_role("button", name="To a cold page").click()

    for page in (player, watching):
        expect_run(page, "To a cold page")
        expect(figure(page, "Calls of the function")).to_have_text("1")
        expect(figure(page, "Waited and were woken")).to_have_text("99")
        expect(page.locator("svg .wait")).to_have_count(100)
        expect(page.locator("svg .stored")).to_have_count(1)
        expect(page.locator(".plot")).to_have_attribute("aria-label", re.compile("1 made the page, 99 waited for it"))
    expect(player.locator("#news")).to_contain_text("99 waited for it")


def test_a_killed_leader_has_a_successor_and_an_old_page_is_served_while_a_new_one_is_made(
    site: Arcade, visit: Callable[..., Page]
) -> None:
    page = visit(site.url)
    log_in(page)
    watch(page, "/caching/", "caching.herd")

    page.get_by_role("button", name="Kill the leader").click()

    expect_run(page, "Kill the leader")
    expect(figure(page, "Died")).to_have_text("25")
    expect(figure(page, "Waited and were woken")).to_have_text("74")
    expect(page.locator(".making")).to_have_text(["killed", "made it"])

    page.get_by_label("stale=30").check()

    page.get_by_role("button", name="To an old page").click()

    expect_run(page, "To an old page, with stale=30")
    expect(figure(page, "Had it at once")).to_have_text("100")
    expect(page.locator(".making")).to_have_count(1)  # a busy machine may be late with it, and another makes it then
    expect(page.locator("svg .old")).to_have_count(100)


def test_a_record_is_in_every_open_hall_at_once(site: Arcade, visit: Callable[..., Page]) -> None:
    player, watching = visit(site.url), visit(site.url)
    log_in(player)
    for page in (player, watching):
        watch(page, "/hall-of-fame/", "caching.hall")
    before = watching.locator("#hall").get_attribute("data-record")

    player.get_by_role("button", name="Send a bot after the record").click()

    expect(watching.locator("#hall")).not_to_have_attribute("data-record", before or "")
    record = watching.locator("#hall").get_attribute("data-record")
    for page in (player, watching):
        expect(page.locator("#hall")).to_have_attribute("data-record", record or "")
        expect(page.locator(".record .points")).to_have_text(f"{int(record or 0):,}")
    expect(watching.locator(".says")).to_contain_text(f"broke the record with {int(record or 0):,} points")


def test_forms_without_a_script_work_too(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url, java_script_enabled=False)
    log_in(page)
    page.goto("/caching/")
    page.get_by_role("button", name="To a warm page").click()
    expect(page.locator(".messages")).to_contain_text("100 visitors are on their way.")
    page.goto("/hall-of-fame/")
    page.get_by_role("button", name="Send a bot after the record").click()
    expect(page.locator(".messages")).to_contain_text("broke the record")
