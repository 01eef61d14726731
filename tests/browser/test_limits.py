"""The rate limit machine, and the limits of the arcade itself."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from .arcade import PLAYER, Arcade
from .players import log_in, sign_up, stop_the_clock

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need: pip install playwright")
from playwright.sync_api import Page, expect  # noqa: E402

pytestmark = pytest.mark.browser


def lane(page: Page, algorithm: str) -> "playwright.Locator":
    return page.locator(f".lane[data-algorithm={algorithm}]")


def machine(page: Page) -> Page:
    page.goto("/rate-limits/")
    page.get_by_role("button", name="Start over").click()
    expect(page.get_by_role("status")).to_contain_text("start afresh")
    return page


def test_the_machine_fills_denies_and_frees(site: Arcade, visit: Callable[..., Page]) -> None:
    page = machine(visit(site.url))
    stop_the_clock(page)  # what came of a press stays until the next one: a look would show what is free again
    page.get_by_role("button", name="Hit", exact=True).click()
    for algorithm in ("sliding", "log", "fixed", "bucket"):
        expect(lane(page, algorithm).locator(".count")).to_contain_text("9 of 10 left")
        expect(lane(page, algorithm).locator(".block")).to_have_count(1)
    expect(page.locator(".told .count")).to_contain_text("5 commands, 2 trips")

    for passed in (5, 4):
        page.get_by_role("button", name="5 at once").click()
        expect(page.get_by_role("status")).to_contain_text(f"Exact log: {passed} of 5")
    expect(lane(page, "log")).to_have_class(re.compile("denied"))
    expect(lane(page, "log").locator(".block.refused")).to_have_count(1)
    expect(lane(page, "log").locator(".frees")).to_contain_text(re.compile(r"one in \d\.\d s"))

    page.clock.resume()
    expect(lane(page, "bucket").locator(".count")).not_to_contain_text("0 of 10")
    expect(lane(page, "log").locator(".frees")).to_have_text("all free")
    expect(lane(page, "log").locator(".count")).to_contain_text("10 of 10 left")


def test_two_windows_of_a_player_share_their_limits(site: Arcade, visit: Callable[..., Page]) -> None:
    one, two = visit(site.url), visit(site.url)
    sign_up(one, "radia")
    log_in(two, "radia", "four green robots")
    machine(one).get_by_role("button", name="5 at once").click()
    expect(lane(one, "log").locator(".count")).to_contain_text("5 of 10 left")
    two.goto("/rate-limits/")
    expect(lane(two, "log").locator(".count")).to_contain_text("5 of 10 left")


def test_the_sixth_guess_at_a_password_waits(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url)
    sign_up(page, "hedy")
    page.get_by_role("button", name="Log out hedy").click()
    for number in range(6):
        page.goto("/log-in/")
        page.get_by_label("Username").fill("hedy")
        page.get_by_label("Password").fill(f"guess {number}")
        page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Even the invaders slow down.")).to_be_visible()
    expect(page.locator("strong")).to_have_text(re.compile("1[456] minutes"))
    log_in(page, PLAYER)  # another name from here is not shut out


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_machine_fits_its_screen(
    site: Arcade, visit: Callable[..., Page], tmp_path: Path, width: int, scheme: str
) -> None:
    """Save a picture of it, to look at (``SCREENSHOTS`` names the folder)."""
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    page = machine(visit(site.url, viewport={"width": width, "height": 900}, color_scheme=scheme))
    for button in ("5 at once", "Hit", "5 at once"):
        page.get_by_role("button", name=button, exact=True).click()
        page.wait_for_timeout(400)
    expect(page.locator(".block").nth(40)).to_be_attached()
    page.screenshot(path=folder / f"rate-limits-{width}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
