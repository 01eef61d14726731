"""What visitors of Redis Arcade do, for tests that are about something else."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .arcade import PASSWORD, PLAYER

if TYPE_CHECKING:
    from playwright.sync_api import Page, WebSocket

SECRET = "four green robots"
ROUNDS = 5
FRAME, STEP = 17, 20  # ms
# Presses a key some milliseconds after each light, wherever the focus is; the driver would be too far away for that.
ROBOT = """ms => new MutationObserver((_, robot) => {
    const {state} = document.querySelector(".stage").dataset;
    const key = () => new KeyboardEvent("keydown", {key: " ", bubbles: true, cancelable: true});
    if (state === "go") setTimeout(() => document.activeElement.dispatchEvent(key()), ms);
    if (state === "idle") robot.disconnect();
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


def stop_the_clock(page: "Page") -> None:
    """From here on, timers, frames and timestamps of the page wait until ``page.clock`` lets time pass."""
    page.clock.install()
    page.clock.pause_at(datetime.now() + timedelta(seconds=1))


def frames(page: "Page", path: str) -> list[str]:
    """Return a list that grows with what the page is sent over its websocket to *path*."""
    heard: list[str] = []

    def listen(socket: "WebSocket") -> None:
        if path in socket.url:
            socket.on("framereceived", lambda frame: heard.append(str(frame)))

    page.on("websocket", listen)
    return heard


def watch(page: "Page", path: str, topic: str = "") -> list[str]:
    """Open the page of *path* and wait until it follows *topic*. Returns what it hears, as it comes."""
    heard = frames(page, "/ws/notifications/")
    page.goto(path)
    for _ in range(600):
        if any("subscribed" in frame and topic in frame for frame in heard):
            return heard
        page.wait_for_timeout(50)
    raise AssertionError(f"{path} never followed {topic or 'anything'}: {heard}")


class Game:
    """A game of Quick draw whose clock stands still between presses, so that a slow driver is as quick as it says.

    The server's clock cannot be stopped: a player's score is sent when it can be true.
    """

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.stage = page.locator(".stage")
        self.waits: list[int] = []
        self.earliest = 0.0
        page.goto("/quick-draw/")
        stop_the_clock(page)

    def start(self, press: "Callable[[], None]") -> None:
        """Insert the coin by *press*."""
        if self.page.locator("#game[data-start]").count():
            with self.page.expect_response("**/quick-draw/start/") as answer:
                press()
            self.waits = answer.value.json()["waits"]
        else:
            press()
        self.earliest = time.monotonic()
        self.pass_until("wait")

    def pass_until(self, state: str) -> None:
        """Let time pass until the stage shows *state*."""
        for _ in range(4000 // STEP):
            if self.stage.get_attribute("data-state") == state:
                return
            self.page.clock.run_for(STEP)
        raise AssertionError(f"The game never came to {state}.")

    def hit(self, ms: int, press: "Callable[[], None]") -> None:
        """Press about *ms* after the next light, and no earlier."""
        self.pass_until("go")
        self.page.clock.run_for(FRAME)
        self.page.clock.run_for(ms)
        press()
        self.pass_until("hit")
        wait = self.waits.pop(0) if self.waits else 0
        self.earliest += (wait + ms + FRAME + STEP) / 1000

    def miss(self) -> None:
        """Let the next light pass."""
        self.pass_until("go")
        self.pass_until("miss")
        self.waits[:1] = []

    def end(self) -> int:
        """Let the clock run again; return the points."""
        if self.page.locator("#game[data-start]").count():
            self.page.wait_for_timeout(max(0, self.earliest - time.monotonic()) * 1000)
        self.page.clock.resume()
        points = self.page.locator(".result .points strong")
        points.wait_for()
        return int(points.inner_text().replace(",", ""))


def play(page: "Page", ms: int, hits: int = ROUNDS) -> int:
    """Play a game with that many *hits* of about *ms* each, and return the points."""
    game = Game(page)
    game.start(game.stage.click)
    for number in range(ROUNDS):
        if number < hits:
            game.hit(ms, lambda: page.keyboard.press("Space"))
        else:
            game.miss()
    return game.end()


def play_in_real_time(page: "Page", ms: int) -> None:
    """Play with the page's own clock, at its pace, to the end."""
    page.goto("/quick-draw/")
    page.evaluate(ROBOT, ms)
    page.locator(".stage").click()
    page.locator(".stage[data-state=idle] .prompt", has_text="points").wait_for(timeout=60_000)
