"""A site whose views tests limit, and its visitors under WSGI and under ASGI."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import clear_url_caches, path

from django_redis_patterns.core.connections import adisconnect

OURS = "django_redis_patterns.ratelimit.RateLimitMiddleware"
SESSIONS = "django_redis_patterns.sessions.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
STACK = [SESSIONS, OURS, AUTH]
HIT = "EVALSHA decide.lua"

urlpatterns: list[Any] = []


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


async def aplain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


@contextmanager
def routes(*views: Any, middleware: list[str] = STACK, **ratelimit: Any) -> Iterator[None]:
    """Serve *views* at ``/0/``, ``/1/``...; patterns may stand for themselves. *ratelimit* is the settings' section."""
    given = {**settings.REDIS_PATTERNS, "RATELIMIT": {name.upper(): value for name, value in ratelimit.items()}}
    urlpatterns[:] = [
        view if hasattr(view, "pattern") else path(f"{number}/", view, name=f"view-{number}")
        for number, view in enumerate(views)
    ]
    overrides = {"ROOT_URLCONF": __name__, "MIDDLEWARE": middleware, "REDIS_PATTERNS": given}
    clear_url_caches()
    with override_settings(**overrides):
        yield
    clear_url_caches()


class Far(AsyncClient):
    """Django's client, at an address of its own."""

    def __init__(self, ip: str, **options: Any) -> None:
        super().__init__(**options)
        self.ip = ip

    def _base_scope(self, **request: Any) -> dict[str, Any]:
        return super()._base_scope(**request) | {"client": [self.ip, 4711]}


class Visitor:
    """A browser, by either server interface."""

    def __init__(self, way: str, cookies: dict[str, str] | None = None, **options: Any) -> None:
        self.way, self.cookies, self.options = way, cookies or {}, options

    def __call__(self, url: str = "/0/", method: str = "get", ip: str = "127.0.0.1", **given: Any) -> Any:
        if self.way == "wsgi":
            client = self._dressed(Client(REMOTE_ADDR=ip, **self.options))
            return getattr(client, method)(url, **given)

        async def visit() -> Any:
            client = self._dressed(Far(ip, **self.options))
            try:
                return await getattr(client, method)(url, **given)
            finally:
                await adisconnect()

        return asyncio.run(visit())

    def _dressed(self, client: Any) -> Any:
        for name, value in self.cookies.items():
            client.cookies[name] = value
        return client

    def statuses(self, times: int, *args: Any, **given: Any) -> list[int]:
        return [self(*args, **given).status_code for _ in range(times)]


def verbs(log: Any) -> list[str]:
    return [" ".join(told.command.split()[: 2 if told.command.startswith("EVAL") else 1]) for told in log.commands]
