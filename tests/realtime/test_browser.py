"""The shipped client in a real browser: events, elements, and what it does when the socket closes."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.test import override_settings

import django_redis_patterns
from django_redis_patterns.realtime import Topic, broadcast, notify
from django_redis_patterns.realtime.consumers import NotificationConsumer
from django_redis_patterns.sessions import SessionStore

from .servers import BACKEND, Server, session_of
from .sockets import user
from .test_tags import render

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need: pip install playwright")
from playwright.sync_api import Browser, Page, expect, sync_playwright  # noqa: E402

pytestmark = pytest.mark.browser

CLIENT = Path(django_redis_patterns.__file__).parent / "static/django_redis_patterns/realtime.js"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 30_000  # ms; only what fails waits that long
PAGE = """<!doctype html>{% realtime_script %}<body>
{% realtime "door.open.a" on="door-changed" %}
<pre id=log></pre><script>
const note = (...words) => log.textContent += words.join(" ") + "\\n";
addEventListener("DOMContentLoaded", () => {
    realtime.on("user", "greeting", (data) => note("on", data.text));
    window.end = realtime.subscribe("door.open.b", {
        event: (data, frame) => note("b", frame.type), reset: () => note("b reset"),
    });
    realtime.subscribe("nobody.declares.this", {denied: () => note("denied")});
});
window.ear = (name) => ({
    event: (data, frame) => note(name, frame.type), subscribed: () => note(name, "subscribed"),
    reset: () => note(name, "reset"), denied: () => note(name, "denied"),
});
document.addEventListener("door-changed", (e) => note("element", e.target.tagName, e.detail.type));
document.addEventListener("realtime:user", (e) => note("dom", e.detail.type, e.detail.data.text));
document.addEventListener("realtime-reset", (e) => note("reset", e.detail.topic));
document.addEventListener("realtime-open", () => note("open"));
document.addEventListener("realtime-close", (e) => note("close", e.detail.code));
</script>"""
NAMESAKE = "<section id=realtime></section>"


class GateTopic(Topic):
    """Lets in while it is among those that are open."""

    pattern = "door.gate.{name}"
    opened: ClassVar[Any] = frozenset()

    def can_subscribe(self, user: Any, name: str) -> bool:
        return name in self.opened


class PostTopic(Topic):
    """Its names begin like those of a user's own topic."""

    pattern = "user.{pk}.post"

    def can_subscribe(self, user: Any, pk: str) -> bool:
        return str(user.pk) == pk


async def http(scope: Any, receive: Any, send: Any) -> None:
    """Serve the page and its script."""
    is_script = scope["path"].endswith("realtime.js")
    text = render(PAGE + NAMESAKE if scope["path"] == "/namesake" else PAGE)
    kind, body = ("text/javascript", CLIENT.read_bytes()) if is_script else ("text/html", text.encode())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind.encode())]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not executable:
        pytest.skip("the browser tests need Chromium (Debian, Ubuntu: apt-get install chromium)")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=executable, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Start a server, on a port of its own or on one that was used before."""
    servers: list[Server] = []

    def start_one(port: int = 0) -> Server:
        servers.append(Server(http, port))
        servers[-1].start()
        return servers[-1]

    with override_settings(AUTHENTICATION_BACKENDS=[BACKEND], ALLOWED_HOSTS=["127.0.0.1"]):
        yield start_one
        for server in servers:
            server.stop()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    contexts = []

    def open_page(server: Server, session: SessionStore | None, script: str = "") -> Page:
        url = f"http://127.0.0.1:{server.port}"
        context = browser.new_context(base_url=url)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.add_init_script(script)
        if session:
            context.add_cookies([{"name": "sessionid", "value": str(session.session_key), "url": url}])
        page = context.new_page()
        page.goto("/")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The gates that are open."""
    monkeypatch.setattr(GateTopic, "opened", opened := set[str]())
    return opened


def sees(page: Page, *lines: str) -> None:
    for line in lines:
        expect(page.locator("#log")).to_contain_text(line + "\n", use_inner_text=False)


def clear(page: Page) -> None:
    page.evaluate("log.textContent = ''")


def ready(page: Page) -> None:
    """Every topic was answered: the last one asked for is refused."""
    expect(page.locator("#log")).to_contain_text("denied")


def test_events_reach_listeners_the_document_and_elements(start: Any, visit: Any) -> None:
    """One event, heard in every way a page may listen."""
    page = visit(start(), session_of(user()))
    ready(page)
    notify(user(), "greeting", {"text": "hello"}, now=True)
    broadcast("door.open.a", "opened", now=True)
    broadcast("door.open.b", "shut", now=True)
    sees(page, "on hello", "dom greeting hello", "element REALTIME-TOPIC opened", "b shut")
    page.evaluate("end()")
    page.evaluate("document.querySelector('realtime-topic').remove()")
    clear(page)
    page.evaluate("void realtime.on('door.open.c', 'done', () => note('done'))")
    broadcast("door.open.a", "opened", now=True)
    broadcast("door.open.b", "shut", now=True)
    while "done" not in page.inner_text("#log"):
        broadcast("door.open.c", "done", now=True)
    assert set(page.inner_text("#log").split()) == {"done"}


def test_a_listener_hears_from_when_on_nothing_is_missed(start: Any, visit: Any) -> None:
    """With the server's confirmation; at once when the topic is subscribed already."""
    page = visit(start(), session_of(user()))
    ready(page)
    for name in ("first", "second"):
        page.evaluate(f"void realtime.subscribe('door.open.d', {{subscribed: () => note('{name}')}})")
        sees(page, name)
    assert page.inner_text("#log").count("first") == 1


def test_only_ones_own_topic_is_called_user(start: Any, visit: Any) -> None:
    """It has its real name too; what merely begins alike, and what is another user's, is not mistaken for it."""
    page = visit(start(), session_of(user()))
    ready(page)
    clear(page)
    page.evaluate("void realtime.subscribe('user', ear('own'))")
    page.evaluate("window.endNamed = realtime.subscribe('user.7', ear('named')), undefined")
    page.evaluate("void realtime.subscribe('user.7.post', ear('post'))")
    page.evaluate("void realtime.subscribe('user.8', ear('other'))")
    sees(page, "own subscribed", "named subscribed", "post subscribed", "other denied")
    assert "reset" not in page.inner_text("#log")  # though the server confirms the user's own topic again
    clear(page)
    broadcast("user.7.post", "letter", now=True)
    notify(user(), "greeting", {"text": "hello"}, now=True)
    sees(page, "post letter", "on hello", "own greeting", "named greeting")
    page.evaluate("endNamed()")
    clear(page)
    page.evaluate("void realtime.subscribe('door.open.c', ear('c'))")
    sees(page, "c subscribed")
    notify(user(), "greeting", {"text": "again"}, now=True)
    sees(page, "on again", "own greeting", "dom greeting again")
    assert not {"post", "other", "named"} & set(page.inner_text("#log").split())


def test_a_topic_that_is_refused(start: Any, visit: Any, gates: Any) -> None:
    """Each listener is told once; another one asks again, for all of them."""
    page = visit(start(), session_of(user()))
    ready(page)
    clear(page)
    for name in ("first", "second"):
        page.evaluate(f"void realtime.subscribe('door.gate.a', ear('{name}'))")
        sees(page, f"{name} denied")
    gates.add("a")
    page.evaluate("void realtime.subscribe('door.gate.a', ear('third'))")
    sees(page, "first subscribed", "second subscribed", "third subscribed")
    assert len(page.inner_text("#log").split("\n")[:-1]) == 5


def test_what_was_allowed_is_refused_when_the_page_comes_back(start: Any, visit: Any, gates: Any) -> None:
    """A listener is never told that it hears what the server refuses; what was missed meanwhile is a reset."""
    gates.add("b")
    page = visit(start(), session_of(user()))
    ready(page)
    page.evaluate("void realtime.subscribe('door.gate.b', ear('first'))")
    sees(page, "first subscribed")
    gates.remove("b")
    clear(page)
    page.evaluate("realtime.reconnect()")
    sees(page, "first denied")
    page.evaluate("void realtime.subscribe('door.gate.b', ear('second'))")
    sees(page, "second denied")
    assert "subscribed" not in page.inner_text("#log")
    gates.add("b")
    clear(page)
    page.evaluate("realtime.reconnect()")
    sees(page, "first reset", "second subscribed", "reset door.gate.b")
    assert {"first denied", "second denied"}.isdisjoint(page.inner_text("#log").split("\n"))
    gates.remove("b")
    page.evaluate("realtime.reconnect()")
    sees(page, "first denied", "second denied")


def test_a_listener_that_comes_while_the_link_is_lost(start: Any, visit: Any) -> None:
    """It is told that it is subscribed; only who was before has missed something."""
    server = start()
    page = visit(server, session_of(user()))
    ready(page)
    page.evaluate("void realtime.subscribe('door.open.d', ear('first'))")
    sees(page, "first subscribed")
    server.stop()
    sees(page, "close 1012")
    clear(page)
    page.evaluate("void realtime.subscribe('door.open.d', ear('second'))")
    start(server.port)
    sees(page, "first reset", "second subscribed")
    assert {"first subscribed", "second reset"}.isdisjoint(page.inner_text("#log").split("\n"))


SENT = """
window.sent = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (text) { sent.push(JSON.parse(text).kind); send.call(this, text); };
"""
HASTE = {
    "at once": ("realtime.subscribe('door.open.d', ear('d'))();", ["subscribe"]),
    "before the answer": ("const end = realtime.subscribe('door.open.d', {}); await 0; end(); await 0;", ["subscribe"]),
    "after the answer": (
        "const end = await new Promise((done) => {"
        "    const end = realtime.subscribe('door.open.d', {subscribed: () => done(end)});"
        "}); end(); await 0;",
        ["subscribe", "unsubscribe", "subscribe"],
    ),
}


@pytest.mark.parametrize("haste", HASTE)
def test_in_haste(start: Any, visit: Any, haste: str) -> None:
    """Who listens, ends and listens again misses nothing by it, and is told nothing but `subscribed`."""
    page = visit(start(), session_of(user()), SENT)
    ready(page)
    clear(page)
    first, sent = HASTE[haste]
    page.evaluate("sent.length = 0")
    page.evaluate(f"(async () => {{ {first} realtime.subscribe('door.open.d', ear('d')); }})()")
    sees(page, "d subscribed")
    page.evaluate("void realtime.subscribe('door.gate.z', ear('last'))")
    sees(page, "last denied")
    broadcast("door.open.d", "heard", now=True)
    sees(page, "d heard")
    assert page.inner_text("#log").split("\n")[:-1] == ["d subscribed", "last denied", "d heard"]
    assert page.evaluate("sent") == [*sent, "subscribe"]


def test_an_element_that_is_moved(start: Any, visit: Any) -> None:
    """It stays subscribed."""
    page = visit(start(), session_of(user()), SENT)
    ready(page)
    page.evaluate("sent.length = 0")
    page.evaluate("void document.body.append(document.querySelector('realtime-topic'))")
    broadcast("door.open.a", "opened", now=True)
    sees(page, "element REALTIME-TOPIC opened")
    assert not page.evaluate("sent")


def test_a_namesake(start: Any, visit: Any) -> None:
    """An element with the id "realtime" is window.realtime, until the client is."""
    server = start()
    page = visit(server, session_of(user()))
    page.goto("/namesake")
    ready(page)


def log_in(page: Page, owner: Any) -> None:
    """Change the cookie of a page that stays, as a login by fetch() does."""
    cookie = {"name": "sessionid", "value": str(session_of(owner).session_key), "url": page.url}
    page.context.add_cookies([cookie])
    clear(page)
    page.evaluate("realtime.reconnect()")


def test_a_guest_logs_in(start: Any, visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page need not be loaded anew: a new socket goes with the new cookie, also when it is somebody else's."""
    monkeypatch.setattr(NotificationConsumer, "login_required", False)
    page = visit(start(), None)
    ready(page)
    page.evaluate("void realtime.subscribe('user', ear('own'))")
    log_in(page, user())
    sees(page, "close 1000", "open", "own subscribed", "b reset")
    notify(user(), "greeting", {"text": "hello"}, now=True)
    sees(page, "on hello")
    log_in(page, user(8))
    sees(page, "own reset")
    notify(user(8), "greeting", {"text": "you"}, now=True)
    sees(page, "on you")


def test_the_server_restarted(start: Any, visit: Any) -> None:
    """The page comes back by itself, subscribes again, and is told that it may have missed something."""
    server = start()
    page = visit(server, session_of(user()))
    ready(page)
    clear(page)
    server.stop()
    sees(page, "close 1012")
    start(server.port)
    sees(page, "open", "b reset", "reset user", "reset door.open.a", "element REALTIME-TOPIC reset")
    broadcast("door.open.b", "shut", now=True)
    notify(user(), "greeting", {"text": "again"}, now=True)
    sees(page, "b shut", "on again")


def test_logged_out(start: Any, visit: Any) -> None:
    """A logout closes the socket, and the page does not come back; neither does a guest's."""
    session = session_of(user())
    server = start()
    page, guest = visit(server, session), visit(server, None)
    opened = []
    sees(guest, "close 4401")
    ready(page)
    for each in (page, guest):
        each.on("websocket", lambda made: opened.append(made))
    session.flush()
    sees(page, "close 4401")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_timeout(1000)
    assert not opened
    clear(page)
    cookie = {"name": "sessionid", "value": str(session_of(user()).session_key), "url": page.url}
    page.context.add_cookies([cookie])
    page.evaluate("realtime.reconnect()")
    sees(page, "open", "reset user")


WAITS = """
Math.random = () => 1;
const later = setTimeout;
window.waits = [];
window.setTimeout = (call, ms) => waits.push(ms) < 9 ? later(call, 0) : 0;
"""


def test_it_waits_longer_and_longer(start: Any, visit: Any) -> None:
    """Each failed attempt doubles the longest wait, up to 20 seconds; chance decides how much of it is waited."""
    server = start()
    page = visit(server, session_of(user()), WAITS)
    ready(page)
    page.evaluate("waits.length = 0")
    server.stop()
    page.wait_for_function("waits.length >= 9")
    assert page.evaluate("waits") == [300, 600, 1200, 2400, 4800, 9600, 19200, 20000, 20000]


SILENT = """
const every = setInterval;
window.setInterval = (call) => { window.tick = call; return 0; };
"""


def test_a_dead_link(start: Any, visit: Any) -> None:
    """A ping that is not answered by the next one ends the socket, and a new one is made."""
    page = visit(start(), session_of(user()), SILENT)
    ready(page)
    clear(page)
    page.evaluate("tick(), tick()")  # nothing can be heard between the two
    sees(page, "close 1006", "open", "b reset")
    page.evaluate("tick()")
    broadcast("door.open.b", "shut", now=True)
    sees(page, "b shut")
