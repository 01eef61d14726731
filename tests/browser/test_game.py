"""Quick draw, as people play it and as cheats do."""

from collections.abc import Callable
from typing import Any

import pytest

from .arcade import Arcade
from .players import FRAME, ROUNDS, STEP, Game, play, play_in_real_time, sign_up

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need: pip install playwright")
from playwright.sync_api import APIResponse, Page, expect  # noqa: E402

pytestmark = pytest.mark.browser


def post(page: Page, path: str, answer: Any = None) -> APIResponse:
    return page.request.post(f"/quick-draw/{path}/", data=answer, headers={"X-CSRFToken": token(page)})


def token(page: Page) -> str:
    return next(c["value"] for c in page.context.cookies() if c["name"] == "csrftoken")


def test_the_keyboard_is_enough(site: Arcade, visit: Callable[..., Page]) -> None:
    """Tab to the machine, Space to start; a press too soon, a guess and one too late are no hits."""
    page = visit(site.url)
    sign_up(page, "annie")
    game = Game(page)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.locator(".stage:focus-visible").count():
            break
    game.start(lambda: page.keyboard.press("Space"))
    page.keyboard.press("Space")
    expect(page.locator(".prompt")).to_have_text("Too soon!")
    game.pass_until("wait")
    game.pass_until("go")
    page.clock.run_for(FRAME)
    page.keyboard.press("Space")
    expect(page.locator(".prompt")).to_have_text("A guess!")
    game.miss()
    expect(page.locator(".prompt")).to_have_text("Too late")
    game.waits = game.waits[-2:]
    game.hit(250, lambda: page.keyboard.press("Enter"))
    game.hit(400, lambda: page.keyboard.press("Space"))

    points = game.end()
    expect(page.locator(".rounds .miss")).to_have_count(3)
    quick, slow = (int(text) for text in page.locator(".rounds .hit").all_inner_texts())
    assert 250 <= quick <= 250 + FRAME + STEP
    assert 400 <= slow <= 400 + FRAME + STEP
    assert points == 2000 - quick - slow
    expect(page.locator("#boards .me")).to_have_count(1)


def test_a_touch_is_enough(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    game = Game(page)
    game.start(game.stage.tap)
    for _ in range(ROUNDS):
        game.hit(300, game.stage.tap)
    assert 3300 <= game.end() <= 3500


def test_a_game_in_real_time(site: Arcade, visit: Callable[..., Page]) -> None:
    """Nothing is held still: the page's clock and the server's agree about a game that was really played."""
    page = visit(site.url)
    sign_up(page, "mary")
    play_in_real_time(page, 250)
    expect(page.locator(".result .ranks li")).to_have_count(3)
    assert page.locator(".rounds .hit").count() > 0
    expect(page.locator("#boards .me")).to_have_count(1)


def test_a_visitor_plays_for_fun(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url)
    assert play(page, 200) > 1000
    expect(page.locator(".result")).to_contain_text("Only players get on the board")
    assert post_without_login(page) == [401, 401]


def post_without_login(page: Page) -> list[int]:
    page.goto("/log-in/")  # for the token against forged requests
    return [post(page, "start").status, post(page, "finish", {"id": "x", "times": [200] * 5}).status]


def test_an_implausible_score_is_refused(site: Arcade, visit: Callable[..., Page]) -> None:
    """Over before the lights were on, too fast, an unknown game: each is refused kindly, and nothing is stored."""
    page = visit(site.url)
    sign_up(page, "eve")
    for times, reason in (([150] * 5, "lights were not even on"), ([1] * 5, "Nobody reacts"), ([150], "5 rounds")):
        dealt = post(page, "start").json()
        answer = post(page, "finish", {"id": dealt["id"], "times": times})
        assert answer.status == 422
        assert reason in answer.text()
        assert "What Redis was told" in answer.text()
        again = post(page, "finish", {"id": dealt["id"], "times": times})
        assert "not running here" in again.text()
    for nonsense in ({"id": "guessed", "times": [150] * 5}, [], "no json", {"id": None}, {}):
        assert post(page, "finish", nonsense).status == 422
    page.goto("/leaderboards/")
    expect(page.locator(".row", has_text="eve")).to_have_count(0)
    expect(page.get_by_text("You are not on this board yet.")).to_have_count(3)


def test_the_page_shows_a_refusal(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url)
    sign_up(page, "mallory")
    page.route("**/quick-draw/finish/", lambda route: route.continue_(post_data='{"id": "forged", "times": []}'))
    game = Game(page)
    game.start(game.stage.click)
    game.hit(250, lambda: page.keyboard.press("Space"))
    for _ in range(ROUNDS - 1):
        game.miss()
    page.clock.resume()
    expect(page.locator(".refused")).to_contain_text("That game is not running here")


FOUR_AT_ONCE = """async ([answer, token]) => {
    const sent = {method: "POST", headers: {"X-CSRFToken": token}, body: JSON.stringify(answer)};
    const all = await Promise.all([1, 2, 3, 4].map(() => fetch("/quick-draw/finish/", sent)));
    return all.map(one => one.status).sort();
}"""


def test_a_game_counts_once(site: Arcade, visit: Callable[..., Page]) -> None:
    """Four answers at the same time, and one more afterwards."""
    page = visit(site.url)
    sign_up(page, "trudy")
    dealt = post(page, "start").json()
    page.wait_for_timeout(dealt["waits"][4] + 300)
    answer = {"id": dealt["id"], "times": [None, None, None, None, 300]}
    assert page.evaluate(FOUR_AT_ONCE, [answer, token(page)]) == [200, 422, 422, 422]
    assert post(page, "finish", answer).status == 422
    page.goto("/leaderboards/")
    expect(page.locator("#all .me")).to_contain_text("700")


def test_nothing_moves_for_those_who_want_it_still(site: Arcade, visit: Callable[..., Page]) -> None:
    page = visit(site.url, reduced_motion="reduce")
    for path in ("/quick-draw/", "/leaderboards/"):
        page.goto(path)
        assert page.evaluate("document.getAnimations().length") == 0
