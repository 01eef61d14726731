"""Redis Arcade in a real browser."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from django_redis_patterns.testing.servers import RedisServer

from .arcade import PLAYER, Arcade, arcade
from .players import log_in, play, sign_up

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need: pip install playwright")
from playwright.sync_api import Page, expect  # noqa: E402

pytestmark = pytest.mark.browser

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile Safari/604.1"
SCREENS = {"desk": (1280, 900), "phone": (390, 844)}


def cookie(page: Page) -> str:
    found = [c["value"] for c in page.context.cookies() if c["name"] == "sessionid"]
    assert len(found) == 1
    return found[0]


def test_log_the_others_out(site: Arcade, visit: Callable[..., Page]) -> None:
    """Two browsers of one player: the first ends the second, and stays."""
    one, two = visit(site.url, user_agent=FIREFOX), visit(site.url, user_agent=IPHONE)
    sign_up(one, "grace")
    log_in(two, "grace", "four green robots")
    one.reload()
    expect(one.locator(".device")).to_have_count(2)
    expect(one.locator(".device.current")).to_contain_text("Firefox 140 on Windows")
    expect(one.locator(".device:not(.current)")).to_contain_text("Safari 18 on iPhone")
    expect(one.get_by_text("This device")).to_have_count(1)

    one.get_by_role("button", name="Log the others out").click()

    expect(one.get_by_role("status")).to_contain_text("1 other device logged out")
    expect(one.locator(".device")).to_have_count(1)
    two.goto("/devices/")
    expect(two).to_have_url(re.compile(r"/log-in/\?next=/devices/"))
    one.reload()
    expect(one.get_by_role("heading", name="Your devices")).to_be_visible()


def test_log_one_device_out(site: Arcade, visit: Callable[..., Page]) -> None:
    one, two, three = (visit(site.url, user_agent=agent) for agent in (FIREFOX, IPHONE, "curl/8"))
    sign_up(one, "katherine")
    for other in (two, three):
        log_in(other, "katherine", "four green robots")
    one.reload()
    one.locator(".device", has_text="iPhone").get_by_role("button", name="Log out").click()

    expect(one.get_by_role("status")).to_contain_text("That device is logged out")
    expect(one.locator(".device")).to_have_count(2)
    two.goto("/devices/")
    expect(two).to_have_url(re.compile("/log-in/"))
    three.goto("/devices/")
    expect(three.get_by_role("heading", name="Your devices")).to_be_visible()


def test_log_out(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url)
    log_in(page)
    page.get_by_role("button", name="Log out ada").click()
    expect(page.get_by_role("link", name="Log in").first).to_be_visible()
    page.goto("/devices/")
    expect(page).to_have_url(re.compile("/log-in/"))


def test_the_panel_shows_what_redis_was_told_and_no_secret(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url)
    expect(page.locator(".told")).to_contain_text("nothing")
    log_in(page)
    page.locator(".told summary").click()
    expect(page.locator(".told tbody tr").first).to_be_visible()
    told = page.locator(".told").inner_text()
    assert "arcade:sessions:" in told
    assert re.search(r"\d ms", told)
    assert cookie(page) not in page.content()
    assert "<!--redis-told-->" not in page.content()


def test_a_websocket_knows_the_player(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url)
    ask = """() => new Promise((done, failed) => {
        const socket = new WebSocket(`ws://${location.host}/ws/hello/`);
        socket.onmessage = message => done(JSON.parse(message.data).player);
        socket.onerror = () => failed("no answer");
    })"""
    assert page.evaluate(ask) == ""
    log_in(page)
    assert page.evaluate(ask) == PLAYER


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_every_page_fits_its_screen(
    site: Arcade, visit: Callable[..., Page], tmp_path: Path, screen: str, scheme: str
) -> None:
    """Save a picture of each page, to look at (``SCREENSHOTS`` names the folder); none is wider than its screen."""
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    width, height = SCREENS[screen]
    page = visit(site.url, viewport={"width": width, "height": height}, color_scheme=scheme, user_agent=FIREFOX)

    def picture(name: str) -> None:
        page.locator(".told summary").click()
        page.screenshot(path=folder / f"{name}-{screen}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"

    picture("home")
    for name in ("sign-up", "log-in"):
        page.goto(f"/{name}/")
        picture(name)
    page.get_by_label("Username").fill(PLAYER)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    picture("log-in-refused")
    log_in(page)
    log_in(visit(site.url, user_agent=IPHONE))
    page.goto("/devices/")
    picture("devices")
    page.get_by_role("button", name="Log the others out").click()
    expect(page.get_by_role("status")).to_be_visible()
    picture("devices-alone")
    page.goto("/leaderboards/")
    picture("leaderboards")
    page.goto("/rate-limits/")
    picture("rate-limits")
    page.goto("/quick-draw/")
    picture("quick-draw")
    play(page, 150, hits=1)
    expect(page.locator(".me")).to_have_count(1)
    picture("quick-draw-played")
    page.goto("/leaderboards/")
    picture("leaderboards-played")
    page.goto("/locks/")
    page.get_by_role("button", name="Queue up").click()
    page.get_by_role("button", name="Send 5 bots").click()
    expect(page.locator("#turnstile .row").first).to_be_visible()
    picture("locks")
    page.goto("/hall-of-fame/")
    picture("hall-of-fame")
    page.goto("/caching/")
    page.get_by_role("button", name="Invalidate while it is made").click()
    expect(page.locator("#herd")).to_have_attribute("data-state", "over")
    picture("caching")
    page.goto("/streams/")
    page.get_by_role("button", name="Play 100 games").click()
    expect(page.locator(".log .cells i")).to_have_count(60)
    picture("streams")


def expect_pause(page: Page, path: str) -> None:
    answer = page.goto(path)
    assert answer
    assert answer.status == 503
    expect(page.get_by_role("heading", name="Redis is away")).to_be_visible()
    expect(page.get_by_text("You are still logged in")).to_be_visible()
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def expect_return(page: Page, path: str) -> None:
    """The page works again as soon as the site dares to ask Redis again."""
    for _ in range(50):
        answer = page.goto(path)
        assert answer
        if answer.status == 200:
            break
        assert answer.status == 503
        page.wait_for_timeout(200)
    expect(page.get_by_role("heading", name="Your devices")).to_be_visible()


def test_redis_does_not_answer(tmp_path: Path, visit: Callable[..., Page]) -> None:
    """Redis frozen: a clear 503 again and again, the cookie kept, and all is well afterwards."""
    with RedisServer() as server, arcade(tmp_path, redis_url=server.url) as site:
        page = visit(site.url, color_scheme="dark")
        log_in(page)
        before = cookie(page)
        server.pause()
        try:
            for path in ("/devices/", "/", "/devices/"):
                expect_pause(page, path)
            page.screenshot(path=Path(os.environ.get("SCREENSHOTS", tmp_path)) / "redis-away-desk-dark.png")
            assert cookie(page) == before
        finally:
            server.resume()
        expect_return(page, "/devices/")
        assert cookie(page) == before


def test_redis_dies_and_returns_with_its_data(tmp_path: Path, visit: Callable[..., Page]) -> None:
    """Redis killed and started again from its file: nobody was logged out."""
    always = ["--appendonly", "yes", "--appendfsync", "always"]
    with RedisServer(options=always) as server, arcade(tmp_path, redis_url=server.url) as site:
        page = visit(site.url, viewport={"width": 390, "height": 844})
        log_in(page)
        before = cookie(page)
        server.kill()
        expect_pause(page, "/devices/")
        page.screenshot(path=Path(os.environ.get("SCREENSHOTS", tmp_path)) / "redis-away-phone-light.png")
        assert cookie(page) == before
        server.restart()
        expect_return(page, "/devices/")
        assert cookie(page) == before
