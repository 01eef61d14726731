"""The locks room in several windows: who is in and who waits, live, and a season that one of two clicks closes."""

import re
from collections.abc import Callable, Iterable

import pytest

from .arcade import Arcade
from .players import log_in, sign_up, stop_the_clock, watch

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need: pip install playwright")
from playwright.sync_api import Page, Route, expect  # noqa: E402

pytestmark = pytest.mark.browser

# Notes each state of the booth and of the queue that the page shows: a look from here would come too late for some.
WATCH = """() => {
    window.seen = [];
    const look = () => {
        const state = document.querySelector(".booth h3").textContent;
        const booth = document.querySelector(".booth .name")?.textContent ?? "";
        const line = [...document.querySelectorAll("#turnstile .row .name")].map(name => name.textContent);
        const fence = document.getElementById("turnstile").dataset.fence;
        window.seen.push({state, booth, line, fence});
    };
    look();
    new MutationObserver(look).observe(document.querySelector(".gate"), {childList: true});
}"""


def in_turn(names: Iterable[str]) -> list[str]:
    """Return *names* without repetitions. Who has just come may for a moment be shown as the lock knows them."""
    return list(dict.fromkeys(name for name in names if name and ":" not in name))


def act(page: Page, button: str) -> tuple[bool, str]:
    """Click *button*; return whether it was done, and what was said."""
    with page.expect_response(lambda answer: answer.request.method == "POST") as answer:
        page.get_by_role("button", name=button).click()
    expect(page.locator(".gate .says")).to_have_text(says := answer.value.json()["says"])
    return answer.value.ok, says


def act_in_time(page: Page, button: str) -> str:
    """Queue up and click *button*, until the holder whom it is about was still in; return what was said."""
    for _ in range(9):
        act(page, "Queue up")
        act(page, "Queue up")
        was_in_time, says = act(page, button)
        if was_in_time:
            return says
    raise AssertionError(f"Nobody was in for long enough: {says}")


def test_hand_overs_are_shown_in_the_order_of_the_queue(site: Arcade, visit: Callable[..., Page]) -> None:
    """Two players queue in windows of their own, some bots after them; a visitor sees each of them come in."""
    one, two, watching = visit(site.url), visit(site.url), visit(site.url)
    sign_up(one, "edith")
    sign_up(two, "annie")
    for page in (one, two, watching):
        watch(page, "/locks/", "locks.season")
    watching.evaluate(WATCH)

    assert act(one, "Queue up") == (True, "edith is in the queue.")
    assert act(two, "Queue up") == (True, "annie is in the queue.")
    assert act(one, "Send 5 bots") == (True, "5 bots sent to the turnstile.")
    expect(watching.locator("#handovers tbody th")).to_have_count(7, timeout=40_000)
    expect(watching.locator(".booth h3")).to_have_text("Free")

    seen = watching.evaluate("window.seen")
    were_in = in_turn(state["booth"] for state in seen)
    line = max((state["line"] for state in reversed(seen)), key=len)  # as it stood when all had come
    assert were_in[:2] == ["edith", "annie"]
    assert len(line) >= 4  # who came last waited for ten seconds
    assert were_in[-len(line) :] == line
    fences = [int(state["fence"]) for state in seen if state["fence"] != "0"]
    assert fences == sorted(fences)
    expect(watching.locator("#handovers tbody th")).to_have_text([*reversed(were_in)])
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
    assert "henrietta vanished with the lock" in act_in_time(page, "Kill the holder")
    page.wait_for_function("seen.some(({state}) => state === 'Vanished')")
    page.wait_for_function("seen.findLast(({state}) => state === 'Vanished').fence < seen.at(-1).fence")

    assert "Released by force" in act_in_time(page, "Release by force")

    for fate in ("put out", "vanished"):
        expect(page.locator("#handovers tbody td .badge", has_text=fate)).to_be_visible()


def test_what_is_said_answers_the_latest_click(site: Arcade, visit: Callable[..., Page]) -> None:
    """However late the answer to an earlier one comes."""
    page = visit(site.url)
    sign_up(page, "ruth")
    page.goto("/locks/")
    late: list[Route] = []
    page.route("**/locks/queue/", lambda route: late.append(route))
    page.route("**/locks/queue-bots/", lambda route: route.fulfill(json={"says": "the second answer"}))
    with page.expect_request("**/locks/queue/"):
        page.get_by_role("button", name="Queue up").click()
    act(page, "Send 5 bots")
    stop_the_clock(page)  # what is said goes by itself
    with page.expect_request_finished():
        late[0].fulfill(json={"says": "the first answer"})
    page.evaluate("fetch('/locks/rows/').then(answer => answer.text())")
    expect(page.locator(".gate .says")).to_have_text("the second answer")


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
    told = page.locator(".messages")
    for _ in range(9):
        page.get_by_role("button", name="Queue up").click()
        expect(told).to_contain_text("ada is in the queue.")
        were_in = page.locator(".booth .name").all_inner_texts()
        page.get_by_role("button", name="Release by force").click()
        expect(told).to_contain_text(re.compile("Released by force|has left already"))
        if were_in == ["ada"] and "Released by force" in told.inner_text():
            return
    raise AssertionError(f"ada was never in: {were_in}, {told.inner_text()}")
