"""The streams room in several windows: a log that grows, groups that read it, and machines that are killed."""

import re
from collections.abc import Callable, Iterator

import pytest

from .arcade import Arcade, arcade
from .players import log_in, play, sign_up, watch

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need: pip install playwright")
from playwright.sync_api import Locator, Page, expect  # noqa: E402

pytestmark = pytest.mark.browser

LONG = 90_000  # ms; only what fails waits that long
ALL_DONE = re.compile("^60 done$")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arcade]:
    """A demo that runs the consumers, too."""
    with arcade(tmp_path_factory.mktemp("arcade"), machines=2) as running:
        yield running


def act(page: Page, button: str, where: Locator | None = None) -> str:
    """Click the first such *button*; return what was said."""
    with page.expect_response(lambda answer: answer.request.method == "POST") as answer:
        (where or page).get_by_role("button", name=button).first.click()
    expect(page.locator(".says")).to_have_text(says := answer.value.json()["says"])
    return says


def kill_in_time(page: Page, button: str, where: str) -> None:
    """Play games and click *button* of who is at work there, until they had something in hand."""
    at_work = page.locator(where, has=page.locator(".process:not(.gone) p", has_text="achievements"))
    for _ in range(20):
        act(page, "Play 100 games")
        at_work.first.wait_for(timeout=LONG)
        says = act(page, button, at_work)
        if re.search("(with|had) [1-9][0-9]* event", says):
            return
        if "is off" in says:
            act(page, "Switch on machine")
            expect(page.locator("#machine-1 .process")).to_have_count(2, timeout=LONG)
    raise AssertionError(f"Nobody had anything in hand: {says}")


def expect_rest(page: Page) -> None:
    """Wait until both groups have nothing left to do."""
    for group in ("achievements", "activity-feed"):
        row = page.locator(f"#groups [data-group={group}]")
        expect(row.locator(".behind strong")).to_have_text("0", timeout=LONG)
        expect(row.locator(".pending")).to_have_text("0", timeout=LONG)
    expect(page.locator("[data-moving]")).to_have_count(0, timeout=LONG)


def test_games_are_events_that_every_window_sees_and_both_groups_read(site: Arcade, visit: Callable[..., Page]) -> None:
    player, watching = visit(site.url), visit(site.url)
    sign_up(player, "radia")
    points = play(player, 150)
    for page in (player, watching):
        watch(page, "/streams/", "streams.plays")
    expect(watching.locator("#tape button")).to_have_count(0)
    mine = watching.locator("#feed .row", has_text="radia")
    expect(mine).to_contain_text("First coin", timeout=LONG)
    expect(mine).to_contain_text(f"{points:,}")

    assert act(player, "Play 100 games") == "100 games are played, and in the log by one trip to Redis."

    for page in (player, watching):
        expect(page.locator(".log .cells i")).to_have_count(60)
        for group in ("achievements", "activity-feed"):
            expect(page.locator(f"#tape [data-group={group}] p")).to_have_text(ALL_DONE, timeout=LONG)
        expect(page.locator("#feed .row")).to_have_count(7)
        expect_rest(page)
    newest = watching.locator("#tape").get_attribute("data-newest")
    expect(watching.locator(".entries .id").first).to_have_text(newest or "")


def test_what_a_killed_process_had_in_hand_is_done_by_others(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url)
    log_in(page)
    watch(page, "/streams/", "streams.plays")

    kill_in_time(page, "Kill process", ".rack")

    expect(page.locator(".report").first).to_contain_text("Nothing is lost.", timeout=LONG)
    expect_rest(page)
    for machine in (1, 2):
        expect(page.locator(f"#machine-{machine} .badge")).to_have_text(re.compile("release"))


def test_what_a_machine_had_in_hand_is_done_by_the_other_when_its_lease_is_over(
    site: Arcade, visit: Callable[..., Page]
) -> None:
    page = visit(site.url)
    log_in(page)
    watch(page, "/streams/", "streams.plays")

    kill_in_time(page, "Pull the plug", "#machine-1")

    expect(page.locator("#machine-1 .badge")).to_have_text("off")
    expect(page.locator(".report").first).to_contain_text("Machine 1 was killed")
    expect(page.locator(".report").first).to_contain_text("Nothing is lost.", timeout=LONG)
    expect(page.locator("#machine-1")).to_contain_text("Dark.", timeout=LONG)
    expect_rest(page)

    act(page, "Switch on machine 1")

    expect(page.locator("#machine-1 .badge")).to_have_text(re.compile("release"))
    expect(page.locator("#machine-1 .process")).to_have_count(2, timeout=LONG)


def test_a_poison_game_is_given_up_and_redriven_when_the_fix_is_deployed(
    site: Arcade, visit: Callable[..., Page]
) -> None:
    page = visit(site.url)
    log_in(page)
    watch(page, "/streams/", "streams.plays")
    achievements = page.locator("#tape [data-group=achievements]")

    name = act(page, "Play a poison game").partition(" ")[0]

    letter = page.locator(".letter")
    expect(letter).to_contain_text(f"{name}, 0 points, given up after 3 attempts", timeout=LONG)
    expect(letter).to_contain_text("ZeroDivisionError: division by zero")
    expect(achievements.locator("p")).to_contain_text("1 dead letter")
    expect_rest(page)

    act(page, "Deploy the fix")
    for machine in (1, 2):
        expect(page.locator(f"#machine-{machine} .badge")).to_have_text("release 2", timeout=LONG)
        expect(page.locator(f"#machine-{machine} .process")).to_have_count(2, timeout=LONG)
    act(page, "Redrive")

    expect(letter).to_have_count(0)
    expect(achievements.locator("p")).to_contain_text("1 redriven")
    expect_rest(page)
    expect(achievements.locator("p")).to_contain_text("1 redriven")
    expect(page.locator("#groups [data-group=achievements] .letters")).to_have_text("0")


def test_forms_without_a_script_work_too(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url, java_script_enabled=False)
    log_in(page)
    page.goto("/streams/")
    told = page.locator(".messages")
    page.get_by_role("button", name="Play one").click()
    expect(told).to_contain_text("1 game is played.")
    kill = page.get_by_role("button", name="Kill process")
    while not kill.count():  # they are shown when they have come to work
        page.reload()
    kill.first.click()
    expect(told).to_contain_text(re.compile("was killed with|gone already"))
