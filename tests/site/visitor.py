"""A visitor of Redis Arcade without a browser: cookies, forms, and what a script of the page may ask."""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode

from tests.browser.arcade import PASSWORD, PLAYER

#: Seconds; only what fails waits that long.
PATIENCE = 90


class Visitor:
    """One browser's worth of cookies at the site with the address *url*."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._cookies = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))

    def get(self, path: str) -> str:
        """Return a page."""
        status, page = self._ask(urllib.request.Request(self._url + path))
        assert status == 200, (status, page)
        return page

    def wait(self, path: str, is_so: Callable[[str], object], what: str) -> str:
        """Return a page as soon as it is so; fail with *what* if it never is."""
        ends = time.monotonic() + PATIENCE
        while not is_so(page := self.get(path)):
            assert time.monotonic() < ends, f"{what}: {page}"
            time.sleep(0.1)
        return page

    def log_in(self, name: str = PLAYER, password: str = PASSWORD) -> "Visitor":
        """Log in, as the demo's player if nobody is named."""
        self.get("/log-in/")
        assert "Your devices" in self.submit("/log-in/", username=name, password=password)[1]
        return self

    def submit(self, path: str, *, token: str | None = None, **fields: Any) -> tuple[int, str]:
        """Send a plain form; returns the status and the page that it led to."""
        return self._post(path, token, fields, "text/html")

    def act(self, path: str, **fields: Any) -> tuple[int, str]:
        """Do the same from a script; returns the status and what is said."""
        status, answer = self._post(path, None, fields, "application/json")
        return status, json.loads(answer)["says"]

    def _post(self, path: str, token: str | None, fields: dict[str, Any], accept: str) -> tuple[int, str]:
        if token is None:
            token = next((cookie.value or "" for cookie in self._cookies if cookie.name == "csrftoken"), "")
        data = urlencode(fields | {"csrfmiddlewaretoken": token}).encode()
        return self._ask(urllib.request.Request(self._url + path, data, {"Accept": accept}))

    def _ask(self, request: urllib.request.Request) -> tuple[int, str]:
        try:
            with self._opener.open(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def found(pattern: str, page: str) -> list[str]:
    """Return all that *pattern* captures in a page."""
    return re.findall(pattern, page)
