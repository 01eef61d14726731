"""Logins: how many guesses reach the password check, and what a success clears."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest
from django.contrib.auth import aauthenticate, authenticate, login
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from django.views.debug import ExceptionReporter

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.ratelimit import Limiter
from django_redis_patterns.ratelimit.backends import LoginRateLimit
from django_redis_patterns.ratelimit.keys import LONGEST_NAME, OVERLONG, folded
from django_redis_patterns.signals import rate_limited

from .site import AUTH, HIT, OURS, SESSIONS, Visitor, routes, verbs

MODEL = "django_redis_patterns.ratelimit.backends.RateLimitedModelBackend"
MIDDLEWARE = [SESSIONS, AUTH, OURS]


class Door:
    """A backend that lets nobody in but those who know the word, and counts who came so far."""

    lock = threading.Lock()
    looked_at: ClassVar[list[str]] = []
    took: ClassVar[float] = 0.0

    def authenticate(self, request: Any, username: Any = None, password: Any = None, **_: Any) -> User | None:
        with self.lock:
            self.looked_at.append(username)
        time.sleep(self.took)
        return User(pk=7, username=username) if password == "word" else None

    def get_user(self, pk: Any) -> None:
        return None


class Limited(LoginRateLimit, Door):
    pass


class Inherited(LoginRateLimit, Door, BaseBackend):
    """Its base has an async face that calls the sync one."""


class NativeDoor(Door):
    """Has an async face of its own, as ModelBackend has."""

    async def aauthenticate(self, request: Any, **credentials: Any) -> User | None:
        return self.authenticate(request, **credentials)


class Native(LoginRateLimit, NativeDoor):
    pass


class BrokenDoor(NativeDoor):
    def authenticate(self, request: Any, username: Any = None, password: Any = None, **_: Any) -> User | None:
        raise LookupError("the directory is gone")

    async def aauthenticate(self, request: Any, **credentials: Any) -> User | None:
        raise LookupError("the directory is gone")


class Broken(LoginRateLimit, BrokenDoor):
    pass


class EmailDoor:
    """Knows no user names, and takes nothing but what it names."""

    def authenticate(self, request: Any, email: str, password: str) -> User | None:
        Door.looked_at.append(email)
        return User(pk=7, email=email) if password == "word" else None

    def get_user(self, pk: Any) -> None:
        return None


class Email(LoginRateLimit, EmailDoor):
    pass


class InheritedEmail(LoginRateLimit, EmailDoor, BaseBackend):
    pass


BACKENDS = [Limited, Inherited, Native]


@pytest.fixture(autouse=True)
def door(settings: Any, monkeypatch: pytest.MonkeyPatch) -> type[Door]:
    monkeypatch.setattr(Door, "looked_at", [])
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Limited"]
    return Door


@pytest.fixture(params=["sync", "async"])
def enter(request: pytest.FixtureRequest) -> Any:
    """Log in, through either face."""

    def enter(username: str, password: str = "guess", ip: str | None = "192.0.2.1") -> Any:
        http = RequestFactory(REMOTE_ADDR=ip).get("/") if ip is not None else None
        if request.param == "sync":
            return authenticate(http, username=username, password=password)

        async def run() -> Any:
            try:
                return await aauthenticate(http, username=username, password=password)
            finally:
                await adisconnect()

        return asyncio.run(run())

    return enter


def left(rule: str, identity: Any) -> int:
    return Limiter.rule(rule).peek(identity).remaining


@pytest.mark.parametrize("backend", BACKENDS)
def test_five_guesses_at_a_name_and_no_more(enter: Any, settings: Any, backend: type) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.{backend.__name__}"]
    for _ in range(8):
        assert enter("ann") is None
    assert len(Door.looked_at) == 5
    assert enter("bob") is None
    assert len(Door.looked_at) == 6


@pytest.fixture
def patience(settings: Any) -> None:
    """A busy machine may be slow to connect to."""
    connections = settings.REDIS_PATTERNS["CONNECTIONS"]
    patient = connections["default"] | {"CONNECT_TIMEOUT": 20, "TIMEOUT": 20}
    settings.REDIS_PATTERNS = {**settings.REDIS_PATTERNS, "CONNECTIONS": connections | {"default": patient}}


@pytest.mark.usefixtures("patience", "known_scripts")
def test_at_most_five_of_128_threads_reach_the_password_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Door, "took", 0.02)
    request = RequestFactory().get("/")
    with ThreadPoolExecutor(64) as pool:
        list(pool.map(lambda _: authenticate(request, username="ann", password="guess"), range(128)))
    assert 1 <= len(Door.looked_at) <= 5


@pytest.mark.usefixtures("patience", "known_scripts")
def test_at_most_five_of_128_tasks_reach_the_password_check(settings: Any) -> None:
    """They are more than the pool has connections."""
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Native"]

    async def guess() -> None:
        await aauthenticate(RequestFactory().get("/"), username="ann", password="guess")

    async def main() -> None:
        await asyncio.gather(*(guess() for _ in range(128)))
        await adisconnect()

    asyncio.run(main())
    assert 1 <= len(Door.looked_at) <= 5


def test_without_the_limit_all_128_reach_it(settings: Any) -> None:
    """The two tests above can fail."""
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Door"]
    with ThreadPoolExecutor(64) as pool:
        list(pool.map(lambda _: authenticate(None, username="ann", password="guess"), range(128)))
    assert len(Door.looked_at) == 128


def test_a_success_clears_its_name_and_gives_the_address_its_own_charge_back(enter: Any) -> None:
    for _ in range(3):
        enter("ann")
    assert enter("ann", "word") is not None
    assert left("login-username", ("username", "ann")) == 50
    assert left("login-ip-username", ("ip", "192.0.2.1", "username", "ann")) == 5
    assert left("login-ip", ("ip", "192.0.2.1")) == 47
    assert left("login-everybody", "everybody") == 19997


def test_the_attackers_own_logins_do_not_reset_the_address(enter: Any, settings: Any) -> None:
    settings.REDIS_PATTERNS = {**settings.REDIS_PATTERNS, "RATELIMIT": {"RULES": {"login-ip": {"rate": "10/15m"}}}}
    for number in range(40):
        enter(f"victim {number}")
        if number % 3 == 2:
            enter("mallory", "word")
    assert len([name for name in Door.looked_at if name.startswith("victim")]) == 10


def test_a_name_is_limited_from_everywhere(enter: Any) -> None:
    for number in range(60):
        enter("ann", ip=f"192.0.2.{number}")
    assert len(Door.looked_at) == 50


#: In capitals, with spaces, fullwidth, with a space of no width, with an accent, in mathematical letters.
SPELLINGS = ["ANN", " ann ", "\uff41\uff4e\uff4e", "ann\u200b", "\u00e1nn", "\U0001d4b6\U0001d4c3\U0001d4c3"]


@pytest.mark.parametrize("variant", SPELLINGS)
def test_a_name_has_one_spelling(enter: Any, variant: str) -> None:
    for _ in range(5):
        enter("ann")
    enter(variant)
    assert len(Door.looked_at) == 5


def test_without_a_request_the_name_counts(enter: Any) -> None:
    for _ in range(60):
        enter("ann", ip=None)
    assert len(Door.looked_at) == 50


def test_an_attempt_is_one_trip_and_a_success_two(enter: Any, one_node: None) -> None:
    enter("warm", "word")
    with trace.record() as log:
        enter("ann")
    assert (log.trips, verbs(log)) == (1, [HIT] * 4)
    with trace.record() as log:
        enter("ann", "word")
    assert log.trips == 2


def test_who_is_over_the_limit_costs_no_trip(enter: Any) -> None:
    for _ in range(6):
        enter("ann")
    with trace.record() as log:
        enter("ann")
    assert log.trips == 0


def test_what_is_no_password_is_no_attempt(enter: Any) -> None:
    assert authenticate(None, token="x") is None
    with trace.record() as log:
        authenticate(None, username=None, password="x")
        authenticate(None, username="ann", password=None)
    assert log.trips == 0


def test_a_refusal_asks_no_other_backend(enter: Any, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Limited", f"{__name__}.NativeDoor"]
    for _ in range(6):
        enter("ann")
    assert len(Door.looked_at) == 10


def test_who_is_right_at_the_second_name_is_not_told_of_the_first(visit: Visitor) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        names = [authenticate(request, username="ann"), authenticate(request, username="ann", password="guess")]
        return HttpResponse("in" if any([*names, authenticate(request, username="bob", password="word")]) else "out")

    with routes(view):
        assert [visit().content for _ in range(7)] == [b"in"] * 7


def test_an_error_after_a_refusal_stays_one(visit: Visitor) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        if authenticate(request, username="ann", password="guess") is None and len(Door.looked_at) == 5:
            raise LookupError("a mistake")
        return HttpResponse("out")

    visit.options["raise_request_exception"] = False
    with routes(view):
        assert visit.statuses(6) == [200] * 4 + [500] * 2


def test_no_password_is_looked_at_while_nobody_counts(enter: Any, settings: Any) -> None:
    """Else a flood that Redis cannot follow would open the door."""
    settings.REDIS_PATTERNS = {"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}}
    assert enter("ann", "word") is None
    assert Door.looked_at == []


def test_a_site_may_decide_otherwise(enter: Any, settings: Any) -> None:
    names = ["login-ip", "login-username", "login-ip-username", "login-everybody"]
    rules = {name: {"rate": "9/h", "on_unavailable": "open"} for name in names}
    settings.REDIS_PATTERNS = {"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}, "RATELIMIT": {"RULES": rules}}
    assert enter("ann", "word") is not None


def test_a_name_of_a_megabyte_is_a_name(enter: Any) -> None:
    enter("\u00e9" * 1_000_000)
    assert folded("\u00e9" * 1_000_000) == OVERLONG
    assert len(Door.looked_at) == 1


def test_names_that_are_too_long_are_one(enter: Any) -> None:
    """Each would be a bucket of its own otherwise, whatever of it a collation does not see."""
    for place in range(4):
        enter("ann"[:place] + "\u00ad" * LONGEST_NAME + "ann"[place:])
    assert left("login-username", ("username", OVERLONG)) == 46


@pytest.mark.parametrize("spelling", ["ann\x01", "a\x7fnn", "\u0085ann", "a\u20ddnn", "a\u0600nn"])
def test_what_nobody_sees_makes_no_other_name(spelling: str) -> None:
    assert folded(spelling) == "ann"


@pytest.mark.django_db(transaction=True)
class TestModelBackend:
    """Django's own login view, over `RateLimitedModelBackend`."""

    @pytest.fixture(autouse=True)
    def accounts(self, settings: Any, db: None) -> None:
        settings.AUTHENTICATION_BACKENDS = [MODEL]
        User.objects.create_user("ann", password="word")

    @pytest.fixture
    def serve(self) -> Any:
        page = LoginView.as_view(template_name="login.html", next_page="/")
        return routes(path("log-in/", page), path("sign-up/", sign_up), middleware=MIDDLEWARE)

    @pytest.fixture(autouse=True)
    def page(self, settings: Any) -> None:
        loaders = [("django.template.loaders.locmem.Loader", {"login.html": "{{ form.errors }}"})]
        django = "django.template.backends.django.DjangoTemplates"
        settings.TEMPLATES = [{"BACKEND": django, "OPTIONS": {"loaders": loaders}}]

    def test_the_sixth_guess_is_told_to_wait(self, visit: Visitor, serve: Any) -> None:
        guess = {"data": {"username": "ann", "password": "guess"}}
        with serve:
            responses = [visit("/log-in/", method="post", **guess) for _ in range(6)]
            assert [response.status_code for response in responses] == [200] * 5 + [429]
            assert int(responses[5].headers["Retry-After"]) > 600
            assert '"login-ip-username";r=0' in responses[5].headers["RateLimit"]
            right = {"data": {"username": "ann", "password": "word"}}
            assert visit("/log-in/", method="post", **right).status_code == 429
            assert visit("/log-in/", method="post", ip="198.51.100.1", **right).status_code == 302

    def test_a_guess_tells_nothing_about_the_limits(self, visit: Visitor, serve: Any) -> None:
        with serve:
            response = visit("/log-in/", method="post", data={"username": "ann", "password": "guess"})
        assert "RateLimit" not in response.headers

    def test_while_nobody_counts_a_login_is_503(self, visit: Visitor, serve: Any, settings: Any) -> None:
        settings.REDIS_PATTERNS = {"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}}
        with serve:
            response = visit("/log-in/", method="post", data={"username": "ann", "password": "word"})
        assert response.status_code == 503

    def test_who_logs_in_otherwise_is_not_limited(self, serve: Any) -> None:
        ann = User.objects.get()
        with serve, trace.record() as log:
            client = Client()
            client.force_login(ann)
            assert client.get("/sign-up/").content == b"ann"
            assert Client().post("/sign-up/").content == b"bob"
        assert HIT not in verbs(log)

    @pytest.mark.parametrize("wrong", [None, "ann"])
    def test_an_unknown_name_is_limited_as_a_known_one_is(self, visit: Visitor, serve: Any, wrong: str | None) -> None:
        guess = {"data": {"username": wrong or "nobody", "password": "guess"}}
        with serve:
            assert visit.statuses(6, "/log-in/", method="post", **guess) == [200] * 5 + [429]


def sign_up(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        login(request, User.objects.create_user("bob"))
    return HttpResponse(request.user.get_username())


def test_no_password_is_in_an_error_report(enter: Any, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Broken"]
    secret = "-".join(["very", "secret", "word"])
    with pytest.raises(LookupError) as caught:
        enter("ann", secret)
    report = ExceptionReporter(RequestFactory().get("/"), caught.type, caught.value, caught.tb)
    frames = [frame for frame in report.get_traceback_frames() if frame["filename"].endswith("ratelimit/backends.py")]
    assert frames
    assert secret not in str([frame["vars"] for frame in frames])


def try_to_enter(way: str, **credentials: str) -> Any:
    """Log in with *credentials* of any words."""
    http = RequestFactory(REMOTE_ADDR="192.0.2.1").get("/")
    if way == "sync":
        return authenticate(http, **credentials)

    async def run() -> Any:
        try:
            return await aauthenticate(http, **credentials)
        finally:
            await adisconnect()

    return asyncio.run(run())


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("backend", [Email, InheritedEmail])
def test_a_login_by_another_word_is_limited_too(way: str, backend: type, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.{backend.__name__}"]
    assert try_to_enter(way, email="ann@example.org", password="word").email == "ann@example.org"
    for _ in range(7):
        assert try_to_enter(way, email="ann@example.org", password="guess") is None
    assert len(Door.looked_at) == 1 + 5


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("backend", [Email, InheritedEmail])
def test_a_backend_that_does_not_take_these_words_is_skipped(way: str, backend: type, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.{backend.__name__}", f"{__name__}.Limited"]
    assert try_to_enter(way, username="ann", password="word").username == "ann"
    assert Door.looked_at == ["ann"]


def test_a_refusal_tells_nothing_of_the_other_counts() -> None:
    """Whoever floods one name must not read how many others have tried at it, or how busy the site is."""

    def entrance(request: HttpRequest) -> HttpResponse:
        return HttpResponse(authenticate(request, username="ann", password="guess") or "wrong")

    with routes(entrance, middleware=MIDDLEWARE):
        for _ in range(6):
            refused = Client().get("/0/")
    assert refused.status_code == 429
    assert refused.headers["RateLimit-Policy"] == '"login-ip-username";q=5;w=900'


def test_a_signal_tells_of_refused_logins(enter: Any) -> None:
    told: list[tuple[str, bool]] = []

    def receiver(sender: type, request: Any, decision: Any, **_: Any) -> None:
        told.append((decision.rule, request is None))

    rate_limited.connect(receiver)
    try:
        for _ in range(6):
            enter("ann")
        assert told == [("login-ip-username", False)]
    finally:
        rate_limited.disconnect(receiver)
