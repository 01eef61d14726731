"""A browser, the site, and visits to it."""

import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from .arcade import Arcade, arcade

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
REFUSALS = ("Failed to load resource", "WebSocket connection to")  # Chromium's own words for an answer that is no 200
PATIENCE = 30_000  # ms; only what fails waits that long


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need: pip install playwright")
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not executable:
        pytest.skip("the browser tests need Chromium (Debian, Ubuntu: apt-get install chromium)")
    sync_api.expect.set_options(timeout=PATIENCE)
    with sync_api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=executable, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arcade]:
    with arcade(tmp_path_factory.mktemp("arcade")) as running:
        yield running


@pytest.fixture
def visit(browser: "Browser") -> "Iterator[Callable[..., Page]]":
    """Open a page in a browser of its own: no cookie is shared.

    Asking anything of another host is an error, and so is whatever a script of the site trips over.
    """
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def note_request(request: "Request") -> None:
        if urlsplit(request.url).hostname != "127.0.0.1":
            wrong.append(f"asked {request.url}")

    def note_message(message: "ConsoleMessage") -> None:
        if message.type in ("error", "warning") and not message.text.startswith(REFUSALS):
            wrong.append(f"{message.type}: {message.text}")

    def open_page(url: str, **options: Any) -> "Page":
        context = browser.new_context(base_url=url, **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.on("request", note_request)
        context.on("console", note_message)
        context.on("weberror", lambda error: wrong.append(f"script: {error.error}"))
        page = context.new_page()
        page.goto("/")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong
