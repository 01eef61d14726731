"""What visitors of Redis Arcade do, for tests that are about something else."""

from typing import TYPE_CHECKING

from .arcade import PASSWORD, PLAYER

if TYPE_CHECKING:
    from playwright.sync_api import Page

SECRET = "four green robots"
# Presses some milliseconds after each light, as a quick or a slow player would; a driver far away is always slow.
ROBOT = """ms => new MutationObserver((_, robot) => {
    const stage = document.querySelector(".stage");
    const press = () => stage.dispatchEvent(new PointerEvent("pointerdown", {button: 0, cancelable: true}));
    if (stage.dataset.state === "go") setTimeout(press, ms);
    if (stage.dataset.state === "idle") robot.disconnect();
}).observe(document.querySelector(".stage"), {attributeFilter: ["data-state"]})"""


def sign_up(page: "Page", name: str) -> None:
    page.goto("/sign-up/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password", exact=True).fill(SECRET)
    page.get_by_label("Password confirmation").fill(SECRET)
    page.get_by_role("button", name="Start").click()
    page.get_by_role("heading", name="Your devices").wait_for()


def log_in(page: "Page", name: str = PLAYER, password: str = PASSWORD) -> None:
    page.goto("/log-in/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Your devices").wait_for()


def play(page: "Page", ms: int) -> int:
    """Play a game of Quick draw with about *ms* for each light, and return the points."""
    page.goto("/quick-draw/")
    page.evaluate(ROBOT, ms)
    page.locator(".stage").click()
    points = page.locator(".result .points strong")
    points.wait_for(timeout=40_000)
    return int(points.inner_text().replace(",", ""))
