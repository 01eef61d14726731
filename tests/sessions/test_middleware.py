"""The middleware: what a request costs, what its answer carries, and what happens while Redis is away."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta

import pytest
from asgiref.sync import SyncToAsync
from django.contrib.auth import authenticate
from django.contrib.auth import login as auth_login
from django.contrib.auth import logout as auth_logout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.test import AsyncClient, Client
from django.urls import path

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.core.connections import client as redis_client
from django_redis_patterns.exceptions import RedisUnavailable
from django_redis_patterns.sessions import SessionMiddleware, SessionStore, for_user, logout_everywhere
from django_redis_patterns.sessions.handle import Handle
from django_redis_patterns.testing.servers import RedisServer

from .conftest import login

OURS = "django_redis_patterns.sessions.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


class Stage:
    """What a test has happen in the middle of a request."""

    happens: Callable[[], object] = staticmethod(lambda: None)


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


async def aplain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.session.get("_auth_user_id", "nobody"))


def in_view(request: HttpRequest) -> HttpResponse:
    Stage.happens()
    return who(request)


def in_template(request: HttpRequest) -> HttpResponse:
    template = engines["django"].from_string("{{ go }}{{ request.session.page }}")
    return TemplateResponse(request, template, {"go": Stage.happens, "request": request})


def at_save(request: HttpRequest) -> HttpResponse:
    request.session["page"] = request.session.get("page", 0) + 1
    Stage.happens()
    return HttpResponse("done")


async def at_asave(request: HttpRequest) -> HttpResponse:
    await request.session.aset("page", 1)
    return HttpResponse("done")


def read_then(request: HttpRequest) -> HttpResponse:
    answer = who(request)
    Stage.happens()
    return answer


def patient(request: HttpRequest) -> HttpResponse:
    with suppress(RedisUnavailable):
        request.session.get("page")
    Stage.happens()
    request.session["page"] = 1
    return HttpResponse("done")


def enter(request: HttpRequest) -> HttpResponse:
    auth_login(request, authenticate(request, username="ada", password="secret"))
    return HttpResponse("welcome")


def leave(request: HttpRequest) -> HttpResponse:
    auth_logout(request)
    return HttpResponse("bye")


VIEWS = [plain, aplain, who, in_view, in_template, at_save, at_asave, read_then, patient, enter, leave]
urlpatterns = [path(view.__name__, view) for view in VIEWS]


class Nosy:
    """Somebody else's middleware, which looks into the session before the view does."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: object) -> None:
        Stage.happens()
        request.session.get("page")


@pytest.fixture(autouse=True)
def site(settings) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    settings.TEMPLATES = TEMPLATES
    yield
    Stage.happens = staticmethod(lambda: None)


def visitor(session: SessionStore | None, **options: object) -> Client:
    client = Client(raise_request_exception=False, headers={"user-agent": FIREFOX}, **options)
    if session:
        client.cookies["sessionid"] = session.session_key
    return client


@pytest.fixture
def frail(settings) -> Iterator[RedisServer]:
    """A server that a test may kill; what it was told survives."""
    with RedisServer(options=["--appendonly", "yes", "--appendfsync", "always"]) as server:
        settings.REDIS_PATTERNS = {"CONNECTIONS": {"default": server.url}}
        yield server
        settings.REDIS_PATTERNS = {"CONNECTIONS": {"default": server.url}}


def refused(response: HttpResponse, client: Client, session: SessionStore) -> None:
    assert response.status_code == 503
    assert not response.cookies
    assert response.headers["Cache-Control"] == "no-store"
    assert int(response.headers["Retry-After"]) > 0
    assert client.cookies["sessionid"].value == session.session_key


@pytest.mark.parametrize("url", ["/in_view", "/in_template", "/at_save"])
def test_an_outage_in_mid_request_is_a_503(frail: RedisServer, url: str) -> None:
    """Wherever the session is asked for when Redis dies: 503, the cookie untouched, logged in when it is back."""
    session = login(7)
    client = visitor(session)
    assert client.get("/who").content == b"7"
    Stage.happens = frail.kill
    refused(client.get(url), client, session)
    frail.restart()
    assert client.get("/who").content == b"7"


@pytest.mark.parametrize("url", ["/in_view", "/in_template", "/at_save"])
def test_an_outage_is_no_error_of_the_site(frail: RedisServer, url: str) -> None:
    """The exception is answered where it arises: nothing is reported as a server error, no one is mailed."""
    client = visitor(login(7))
    client.raise_request_exception = True
    Stage.happens = frail.kill
    assert client.get(url).status_code == 503


def test_an_outage_that_is_over_is_forgotten(frail: RedisServer) -> None:
    """A view that lives through an outage and then changes the session has its change saved."""
    session = login(7)
    frail.kill()
    client = visitor(session)
    Stage.happens = frail.restart
    assert client.get("/patient").status_code == 200
    assert SessionStore(session.session_key)["page"] == 1


def test_an_outage_in_another_middleware_is_a_503(frail: RedisServer, settings) -> None:
    """A ``process_view`` elsewhere that reads the session while Redis is away is answered in the same way."""
    settings.MIDDLEWARE = [OURS, f"{__name__}.Nosy"]
    session = login(7)
    client = visitor(session)
    Stage.happens = frail.kill
    refused(client.get("/plain"), client, session)
    frail.restart()
    Stage.happens = staticmethod(lambda: None)
    assert client.get("/who").content == b"7"


def test_a_frozen_redis_is_a_503(frail: RedisServer) -> None:
    """A server that hangs is given up on, and the user is logged in when it goes on."""
    session = login(7)
    client = visitor(session)
    Stage.happens = frail.pause
    refused(client.get("/in_view"), client, session)
    frail.resume()
    assert client.get("/who").content == b"7"


def test_an_outage_under_asgi_is_a_503(frail: RedisServer) -> None:
    """The same holds on an event loop."""
    session = login(7)
    frail.kill()
    response = on_loop(session, "/at_asave", raise_request_exception=False)
    assert response.status_code == 503
    assert not response.cookies


def test_a_view_that_needs_no_session_works_without_redis(frail: RedisServer) -> None:
    """A request that does not ask for its session does not notice."""
    session = login(7)
    frail.kill()
    assert visitor(session).get("/plain").content == b"plain"


def test_the_503_is_the_sites_own_page(frail: RedisServer, settings) -> None:
    """A template named ``503.html`` is what the visitor sees."""
    loader = ("django.template.loaders.locmem.Loader", {"503.html": "<p>Back in a moment.</p>"})
    settings.TEMPLATES = [TEMPLATES[0] | {"OPTIONS": {"loaders": [loader]}}]
    session = login(7)
    frail.kill()
    assert visitor(session).get("/who").content == b"<p>Back in a moment.</p>"


def test_a_touch_that_fails_is_logged(frail: RedisServer, settings, caplog) -> None:
    """That the last visit cannot be noted is a line in the log, and the visitor's page is whole."""
    settings.REDIS_PATTERNS = settings.REDIS_PATTERNS | {"SESSIONS": {"TOUCH_EVERY": 1}}
    session = login(7)
    backdate(session)
    Stage.happens = frail.kill
    with caplog.at_level(logging.WARNING, "django_redis_patterns.sessions"):
        response = visitor(session).get("/read_then")
    assert (response.status_code, response.content) == (200, b"7")
    assert "last seen" in caplog.text


def test_a_prolonging_that_fails_is_logged(frail: RedisServer, settings, caplog) -> None:
    """A save for the sake of the expiry alone may fail without an error."""
    settings.SESSION_SAVE_EVERY_REQUEST = True
    session = login(7)
    Stage.happens = frail.kill
    with caplog.at_level(logging.WARNING, "django_redis_patterns.sessions"):
        assert visitor(session).get("/read_then").content == b"7"
    assert "prolonged" in caplog.text


def backdate(session: SessionStore) -> None:
    handle = Handle.of(session.session_key)
    assert handle
    redis_client().hset(handle.key, "n", 1)


def test_last_seen_is_noted_now_and_then(user: User) -> None:
    """A read notes when and from where the user was last seen, at most once per ``TOUCH_EVERY``."""
    session = login(7)
    backdate(session)
    client = visitor(session)
    with trace.record() as log:
        client.get("/who")
    assert [told.command.split()[0] for told in log.commands] == ["HGETALL", "EVALSHA"]
    with trace.record() as log:
        client.get("/who")
    assert [told.command.split()[0] for told in log.commands] == ["HGETALL"]
    (info,) = for_user(user)
    assert (info.ip, info.agent) == ("127.0.0.1", "Firefox 128 on Linux")
    assert time.time() - info.last_seen.timestamp() < 5


def test_behind_a_trusted_proxy_the_clients_address_is_noted(settings, user):
    settings.REDIS_PATTERNS = {**settings.REDIS_PATTERNS, "TRUSTED_PROXIES": ["127.0.0.1"]}
    session = login(user.pk)
    backdate(session)
    visitor(session).get("/who", headers={"x-forwarded-for": "6.6.6.6, 198.51.100.7"})
    (info,) = for_user(user)
    assert info.ip == "198.51.100.7"


def on_loop(session: SessionStore | None, url: str, **options: object) -> HttpResponse:
    async def visit() -> HttpResponse:
        client = AsyncClient(**options)
        if session:
            client.cookies["sessionid"] = session.session_key
        response = await client.get(url)
        await adisconnect()
        return response

    return asyncio.run(visit())


@pytest.mark.parametrize("url", ["/plain", "/aplain"])
def test_an_untouched_session_costs_nothing(settings, monkeypatch, url: str) -> None:
    """Under ASGI a request that leaves its session alone sends no command and hops to no thread for its sake."""
    hops = []
    hop = SyncToAsync.__call__

    async def counted(self: SyncToAsync, *args: object, **kwargs: object) -> object:
        hops[-1] += 1
        return await hop(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", counted)
    session = login(7)
    for settings.MIDDLEWARE in ([], [OURS]):
        hops.append(0)
        with trace.record() as log:
            response = on_loop(session, url)
        assert response.content == b"plain"
        assert log.commands == []
        assert not response.cookies
        assert "Vary" not in response.headers
    assert hops[0] == hops[1]


def test_a_saved_session_hops_to_no_thread(settings, monkeypatch) -> None:
    """Under ASGI loading and saving are awaited on the loop."""
    settings.MIDDLEWARE = [OURS]
    session = login(7)
    names = []
    hop = SyncToAsync.__call__

    async def noted(self: SyncToAsync, *args: object, **kwargs: object) -> object:
        names.append(getattr(self.func, "__module__", ""))
        return await hop(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", noted)
    assert on_loop(session, "/at_asave").cookies["sessionid"].value == session.session_key
    assert SessionStore(session.session_key)["page"] == 1
    assert not [name for name in names if "session" in name]


def test_the_cookie_is_as_django_makes_it(settings) -> None:
    """Name, path, domain, flags and age follow Django's settings, to the letter of Django's own middleware."""
    settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_PATH = "sid", "/"
    settings.SESSION_COOKIE_SECURE, settings.SESSION_COOKIE_SAMESITE = True, "Strict"
    settings.SESSION_COOKIE_DOMAIN, settings.SESSION_COOKIE_AGE = "example.com", 3600
    morsels, varies = [], []
    for settings.MIDDLEWARE in (["django.contrib.sessions.middleware.SessionMiddleware"], [OURS]):
        response = Client().get("/at_save")
        morsels.append({k: v for k, v in response.cookies["sid"].items() if k != "expires"})
        varies.append(response.headers["Vary"])
    assert morsels[0] == morsels[1]
    assert varies == ["Cookie", "Cookie"]
    assert (morsels[1]["max-age"], morsels[1]["secure"], morsels[1]["httponly"]) == (3600, True, True)


def test_a_session_until_the_browser_closes_has_no_age(settings) -> None:
    """A cookie for this sitting carries neither an age nor a date."""
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    cookie = Client().get("/at_save").cookies["sessionid"]
    assert (cookie["max-age"], cookie["expires"]) == ("", "")


@pytest.mark.django_db
def test_login_and_logout_through_django(one_node: None, user: User) -> None:
    """Django's own login lists the session under the user with a new id, and its logout ends it."""
    ada = User.objects.create_user("ada", password="secret")
    client = visitor(None)
    client.get("/at_save")
    anonymous = client.cookies["sessionid"].value
    with trace.record() as log:
        client.get("/enter")
    assert log.trips <= 3  # load, new id, save
    known = client.cookies["sessionid"].value
    assert known != anonymous
    assert not SessionStore().exists(anonymous)
    assert SessionStore(known)["page"] == 1
    assert client.get("/who").content == str(ada.pk).encode()
    assert len(for_user(ada)) == 1
    gone = client.get("/leave").cookies["sessionid"]
    assert (gone.value, gone["max-age"]) == ("", 0)
    assert for_user(ada) == []
    assert not SessionStore().exists(known)


def test_a_session_that_is_ended_meanwhile_interrupts(user: User) -> None:
    """Changes of a request whose session was ended under it are Django's 400, and the session stays ended."""
    session = login(7)
    client = visitor(session)
    Stage.happens = staticmethod(lambda: logout_everywhere(user))
    assert client.get("/at_save").status_code == 400
    assert not session.exists(session.session_key)
    gone = client.get("/who").cookies["sessionid"]
    assert (gone.value, gone["max-age"]) == ("", 0)


def test_an_engine_of_somebody_else_is_served_as_django_serves_it(settings) -> None:
    """With another ``SESSION_ENGINE`` our middleware does what Django's does."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    client = visitor(None)
    assert client.get("/at_save").cookies["sessionid"]["max-age"] == timedelta(weeks=2).total_seconds()
    assert on_loop(None, "/at_asave").cookies["sessionid"].value


def test_an_answer_of_500_saves_nothing() -> None:
    """As with Django's own, a request that failed leaves its session as it was."""
    session = login(7)
    client = visitor(session)

    def fail() -> None:
        raise RuntimeError

    Stage.happens = staticmethod(fail)
    assert client.get("/at_save").status_code == 500
    assert "page" not in SessionStore(session.session_key)


def test_a_request_without_a_session_passes() -> None:
    """A middleware before ours may have answered: there is no session then, and nothing to do."""
    answer = HttpResponse()
    assert SessionMiddleware(plain).process_response(HttpRequest(), answer) is answer
