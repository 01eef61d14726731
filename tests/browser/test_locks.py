"""The locks room in several windows: who is in and who waits, live, and a season that one of two clicks closes."""

import re
from collections.abc import Callable

import pytest

from .arcade import Arcade
from .players import log_in, sign_up, watch

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need: pip install playwright")
from playwright.sync_api import Page, expect  # noqa: E402

pytestmark = pytest.mark.browser

# Notes each state of the booth and of the queue that the page shows.
WATCH = """() => {
    window.seen = [];
    const look = () => {
        const title = document.querySelector(".booth h3").textContent;
        const booth = document.querySelector(".booth .name")?.textContent ?? "";
        const line = [...document.querySelectorAll("#turnstile .row .name")].map(name => name.textContent);
        const fence = document.getElementById("turnstile").dataset.fence;
        window.seen.push({title, booth, line, fence});
    };
    look();
    new MutationObserver(look).observe(document.querySelector(".gate"), {childList: true});
}"""


# Kills the first holder behind whom somebody waits, and puts out the next one: the driver may be too far away for that.
KILL_AND_RELEASE = """() => {
    const press = name => [...document.querySelectorAll(".gate button")].find(one => one.textContent === name).click();
    const todo = [["Inside", 1, "Kill the holder"], ["Vanished", 1, ""], ["Inside", 0, "Release by force"]];
    new MutationObserver((_, robot) => {
        const [title, line, button] = todo[0];
        const waiting = document.querySelectorAll("#turnstile .row").length;
        if (document.querySelector(".booth h3").textContent !== title || waiting < line) return;
        todo.shift();
        if (!todo.length) robot.disconnect();
        if (button) press(button);
    }).observe(document.querySelector(".gate"), {childList: true});
}"""


def holders(page: Page) -> list[str]:
    """Return who was in, in the order in which the page showed them."""
    shown = [state["booth"] for state in page.evaluate("window.seen") if state["booth"]]
    return [name for number, name in enumerate(shown) if number == 0 or shown[number - 1] != name]


def test_hand_overs_are_shown_in_the_order_of_the_queue(site: Arcade, visit: Callable[..., Page]) -> None:
    """Two players queue in windows of their own, some bots after them; a visitor sees each of them come in."""
    one, two, watching = visit(site.url), visit(site.url), visit(site.url)
    sign_up(one, "edith")
    sign_up(two, "annie")
    for page in (one, two, watching):
        watch(page, "/locks/", "locks.season")
    watching.evaluate(WATCH)

    one.get_by_role("button", name="Queue up").click()
    expect(watching.locator(".booth .name")).to_have_text("edith")
    two.get_by_role("button", name="Queue up").click()
    expect(watching.locator("#turnstile .row")).to_have_text([re.compile("annie")])
    one.get_by_role("button", name="Send 5 bots").click()
    expect(one.locator(".gate .says")).to_have_text("5 bots sent to the turnstile.")
    expect(watching.locator(".booth h3")).to_have_text("Free", timeout=40_000)

    seen = watching.evaluate("window.seen")
    bots = max((state["line"] for state in seen), key=len)[-5:]
    assert holders(watching) == ["edith", "annie", *bots]
    fences = [int(state["fence"]) for state in seen if state["fence"] != "0"]
    assert fences == sorted(fences)
    expect(watching.locator("#handovers tbody th")).to_have_text([*reversed(bots), "annie", "edith"])
    expect(watching.get_by_role("button", name="Queue up")).to_have_count(0)


def test_after_a_kill_the_next_one_is_in_when_the_time_is_up_and_by_force_at_once(
    site: Arcade, visit: Callable[..., Page]
) -> None:
    page = visit(site.url)
    sign_up(page, "henrietta")
    watch(page, "/locks/", "locks.season")
    page.evaluate(WATCH)
    kill = page.get_by_role("button", name="Kill the holder")
    expect(kill).to_have_attribute("aria-disabled", "true")
    page.evaluate(KILL_AND_RELEASE)
    for _ in range(3):
        page.get_by_role("button", name="Queue up").click()

    fates = page.locator("#handovers tbody td .badge")
    expect(fates.filter(has_text="put out")).to_have_count(1)
    expect(page.locator(".booth h3")).to_have_text("Free")
    told = fates.all_text_contents()  # the latest first
    assert told[told.index("put out") + 1] == "vanished"
    titles = [state["title"] for state in page.evaluate("window.seen")]
    assert titles[titles.index("Vanished") :].count("Inside")


def test_two_who_close_the_season_at_once_close_it_once(site: Arcade, visit: Callable[..., Page]) -> None:
    one, two = visit(site.url), visit(site.url)
    sign_up(one, "vera")
    log_in(two)
    for page in (one, two):
        watch(page, "/locks/", "locks.season")
        expect(page.locator("#seasons")).to_have_attribute("data-season", "1")

    for page in (one, two):
        page.get_by_role("button", name="Close the season").click()

    answers = [page.locator(".season .says") for page in (one, two)]
    for answer in answers:
        expect(answer).not_to_be_empty()
    lost, won = sorted(answer.inner_text() for answer in answers)
    assert re.fullmatch(r"You closed season 1\. The champion: [\w-]+\.", won)
    assert re.fullmatch(
        r"Season 1 is (being closed right now, by \S+:\d+ since [\d:]+|closed already: \w+ was).+", lost
    )
    for page in (one, two):
        expect(page.locator("#seasons")).to_have_attribute("data-season", "2")
        expect(page.locator(".cup", has_text="closed")).to_have_count(1)
        expect(page.locator(".closed-by")).to_contain_text(re.compile("Closed by (vera|ada)"))


def test_a_form_without_a_script_works_too(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url, java_script_enabled=False)
    log_in(page)
    page.goto("/locks/")
    page.get_by_role("button", name="Queue up").click()
    expect(page.locator(".messages")).to_contain_text("ada is in the queue.")
    expect(page.locator(".booth .name")).to_have_text("ada")
    page.get_by_role("button", name="Release by force").click()
    expect(page.locator(".messages")).to_contain_text("Released by force")
