"""What one window does shows in the others, through websockets and a real Redis."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from .arcade import Arcade
from .players import log_in, play, sign_up, stop_the_clock, watch

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need: pip install playwright")
from playwright.sync_api import Page, expect  # noqa: E402

pytestmark = pytest.mark.browser

QUICK = 130  # ms
SAY = """text => new Promise(done => {
    const socket = new WebSocket(`ws://${location.host}/ws/chat/quick-draw/`);
    socket.onopen = () => socket.send(text);
    socket.onclose = closed => done(closed.code);
})"""


def test_a_score_moves_the_ranking_in_the_other_window(site: Arcade, visit: Callable[..., Page]) -> None:
    """A visitor without a name watches all boards; a player scores; the rows move without a reload."""
    one, two = visit(site.url), visit(site.url)
    heard = watch(two, "/leaderboards/")
    two.evaluate("window.sameOneAsBefore = true")
    sign_up(one, "dorothy")

    points = play(one, QUICK)

    for window in ("day", "week", "all"):
        row = two.locator(f"#{window} .row", has_text="dorothy")
        expect(row).to_have_count(1)
        expect(row).to_contain_text(f"{points:,}")
        expect(one.locator(".ranks")).to_contain_text(re.compile(r"\d(st|nd|rd|th)"))
    expect(two.locator(".row.moved", has_text="dorothy")).to_have_count(3)
    expect(two.locator("p[role=status]")).to_have_text(
        re.compile(r"dorothy is now \d+(st|nd|rd|th) .+ with [\d]+ points")
    )
    assert two.evaluate("window.sameOneAsBefore")
    assert any('"moved"' in frame and "dorothy" in frame for frame in heard)
    with redis.Redis(port=site.own_redis_port, protocol=2, decode_responses=True) as server:
        boards = list(server.scan_iter("arcade:boards:*arcade.play.leaderboard*", _type="zset"))
    assert len(boards) >= 3


def test_a_game_tells_what_redis_was_told_for_it(site: Arcade, visit: Callable[..., Page]) -> None:
    """The panel is the one of the score, not of the page before nor of the rows after it."""
    page = visit(site.url)
    sign_up(page, "hedy")
    play(page, QUICK, hits=1)
    expect(page.locator("#boards .row.me")).to_contain_text("hedy")
    page.locator(".told summary").click()
    told = page.locator(".told tbody")
    expect(told).to_contain_text(re.compile(r"EVALSHA write.lua \d+ arcade:boards:"))
    expect(told).to_contain_text("PUBLISH arcade:realtime:{boards.quick-draw}")


def test_those_overtaken_hear_of_it_on_any_page(site: Arcade, visit: Callable[..., Page], tmp_path: Path) -> None:
    slow, quick = visit(site.url), visit(site.url)
    sign_up(slow, "barbara")
    # One hit is below every bot, so nobody comes between the two: those nearest are told.
    play(slow, QUICK + 100, hits=1)
    stop_the_clock(slow)  # a toast goes by itself
    watch(slow, "/devices/")
    sign_up(quick, "margaret")
    play(quick, QUICK, hits=1)

    toast = slow.locator(".toast")
    expect(toast).to_have_count(1)
    expect(toast).to_contain_text(re.compile(r"margaret overtook you with [\d,]+ points"))
    expect(toast).to_contain_text("today")
    expect(toast).to_contain_text("all time")
    slow.screenshot(path=Path(os.environ.get("SCREENSHOTS", tmp_path)) / "overtaken.png")
    expect(quick.locator(".toast")).to_have_count(0)
    toast.get_by_role("button", name="Close").click()
    expect(toast).to_have_count(0)


def test_chat(site: Arcade, visit: Callable[..., Page], tmp_path: Path) -> None:
    """Two players and a visitor: all read, the players write, and what they write stays text."""
    one, two, visitor = visit(site.url), visit(site.url), visit(site.url)
    sign_up(one, "joan")
    sign_up(two, "jean")
    for page in (one, two, visitor):
        page.goto("/quick-draw/")
        expect(page.locator("#chat[data-open=true]")).to_be_visible()
    line = "<img src=x onerror=alert(1)>   is no picture"
    one.get_by_label("Your line").fill(line)
    one.get_by_role("button", name="Send").click()
    two.get_by_label("Your line").fill("y" * 300)
    two.keyboard.press("Enter")

    for page in (one, two, visitor):
        expect(page.locator("#chat li")).to_have_count(2)
        expect(page.locator("#chat li", has_text="joan")).to_contain_text("<img src=x onerror=alert(1)> is no picture")
        expect(page.locator("#chat li", has_text="jean")).to_contain_text("y" * 200)
        expect(page.locator("#chat img")).to_have_count(0)
    one.screenshot(path=Path(os.environ.get("SCREENSHOTS", tmp_path)) / "chat.png", full_page=True)
    assert len(two.locator("#chat li", has_text="jean").inner_text()) == len("jean ") + 200
    expect(one.get_by_label("Your line")).to_have_value("")
    expect(visitor.get_by_label("Your line")).to_have_count(0)
    expect(visitor.locator("#chat")).to_contain_text("Log in to join")


def test_a_visitor_cannot_write(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url)
    assert page.evaluate(SAY, "let me in") == 4401


def test_a_game_that_is_none_has_no_chat(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url)
    for game in ("slow-draw", "x" * 200):
        assert page.evaluate(SAY.replace("quick-draw", game), "let me in") == 1006
    assert site.errors.read_text() == ""


def test_what_is_no_line_is_left_out(site: Arcade, visit: Callable[..., Page]) -> None:
    """Nothing, blanks, bytes, and more lines at once; the socket stays, and the server complains of nothing."""
    page = visit(site.url)
    log_in(page)
    page.goto("/quick-draw/")
    expect(page.locator("#chat[data-open=true]")).to_be_visible()
    page.evaluate("""() => new Promise(done => {
        window.other = new WebSocket(`ws://${location.host}/ws/chat/quick-draw/`);
        window.other.onopen = () => {
            for (const text of ["", "  \\n ", new Uint8Array(9), "a line"]) window.other.send(text);
            for (let many = 0; many < 40; many++) window.other.send("too fast");
            done();
        };
    })""")
    expect(page.locator("#chat li").first).to_contain_text("a line")
    page.get_by_label("Your line").fill("another")
    page.keyboard.press("Enter")
    expect(page.locator("#chat li", has_text="another")).to_have_count(1)
    # The pause runs on the server's clock: on a busy machine one of them may come after it, and never all.
    assert page.locator("#chat li", has_text="too fast").count() < 4
    assert page.evaluate("window.other.readyState") == 1
    assert site.errors.read_text() == ""


def test_logging_out_in_one_tab_ends_the_others_socket(site: Arcade, visit: Callable[..., Page]) -> None:
    one = visit(site.url)
    sign_up(one, "radia")
    two = one.context.new_page()
    with two.expect_event("websocket", lambda socket: "/ws/notifications/" in socket.url) as news:
        two.goto("/quick-draw/")
    expect(two.locator("#chat[data-open=true]")).to_be_visible()
    two.evaluate("""() => {
        document.addEventListener("realtime-close", ({detail}) => window.closedWith = detail.code);
        window.chat = new WebSocket(`ws://${location.host}/ws/chat/quick-draw/`);
        window.chatClosed = new Promise(done => window.chat.onclose = closed => done(closed.code));
        return new Promise(done => window.chat.onopen = done);
    }""")

    one.get_by_role("button", name="Log out radia").click()

    toast = two.locator(".toast")
    expect(toast).to_contain_text("You are logged out")
    expect(toast.get_by_role("link", name="Log in again")).to_be_visible()
    expect(two.get_by_label("Your line")).to_have_count(0)
    assert two.evaluate("window.closedWith") == 4401
    if not news.value.is_closed():
        news.value.wait_for_event("close")
    # A socket of before that still stands is of no use either.
    assert two.evaluate("""() => { window.chat.send("ghost"); return window.chatClosed }""") == 4401
    expect(two.locator("#chat li")).to_have_count(0)
