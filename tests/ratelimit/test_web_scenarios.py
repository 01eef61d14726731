"""What the suites of django-ratelimit, Django REST framework and django-axes ask of a limiter, asked of ours."""

import time
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.views import View
from rest_framework.response import Response
from rest_framework.views import APIView

from django_redis_patterns.ratelimit import Limiter, ratelimit
from django_redis_patterns.ratelimit.drf import RedisThrottle

from .site import Visitor, routes


def view(*rates: str, **options: Any) -> Any:
    @ratelimit(*rates, **{"key": "ip"} | options)
    def limited(request: HttpRequest) -> HttpResponse:
        return HttpResponse("answer")

    return limited


def api(*throttles: Any) -> Any:
    class Api(APIView):
        authentication_classes: list[Any] = []
        throttle_classes = throttles

        def get(self, request: Any) -> Response:
            return Response("answer")

    return Api.as_view()


# django-ratelimit


def test_views_of_one_name_share_one_limit(visit: Visitor) -> None:
    with routes(view("2/d", name="both"), view("2/d", name="both")):
        assert [visit(f"/{n}/").status_code for n in (0, 1, 0)] == [200, 200, 429]


def test_one_view_may_have_a_limit_for_each_method(visit: Visitor) -> None:
    limited = ratelimit("1/d", key="ip", methods="POST", name="post")(view("2/d", methods="GET", name="get"))
    with routes(limited):
        assert visit.statuses(3) == [200, 200, 429]
        assert visit.statuses(2, method="post") == [200, 429]


@pytest.mark.parametrize("method", ["get", "post"])
def test_several_methods_are_one_limit(visit: Visitor, method: str) -> None:
    with routes(view("1/d", methods=["GET", "POST"])):
        assert visit(method=method).status_code == 200
        assert visit(method="post").status_code == 429
        assert visit(method="put").status_code == 200


def test_a_key_may_be_a_parameter(visit: Visitor) -> None:
    with routes(view("1/d", key=lambda request: request.GET.get("key", ""))):
        assert [visit(f"/0/?key={key}").status_code for key in "aba"] == [200, 200, 429]


def test_keys_of_two_limits_are_counted_apart(visit: Visitor) -> None:
    limited = ratelimit("1/d", key="post:a", name="a")(view("2/d", key="ip", name="ip"))
    with routes(limited):
        answers = [visit(method="post", data={"a": a}).status_code for a in ("x", "x", "y", "z")]
    assert answers == [200, 429, 200, 429]


def test_a_limit_frees_in_time(visit: Visitor) -> None:
    with routes(view("1/s", algorithm="log")):
        assert visit.statuses(2) == [200, 429]
        time.sleep(1.1)
        assert visit().status_code == 200


def test_a_rate_of_the_user_s_plan(visit: Visitor) -> None:
    def plan(request: HttpRequest) -> str | None:
        return "3/d" if request.headers.get("x-plan") == "gold" else None

    with routes(view("1/d", rates_for=plan)):
        assert visit.statuses(2, ip="192.0.2.1") == [200, 429]
        assert visit.statuses(4, ip="192.0.2.2", headers={"x-plan": "gold"}) == [200, 200, 200, 429]


def test_a_view_may_ask_for_itself(visit: Visitor) -> None:
    limiter = Limiter("inside", "1/d")

    def asking(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=200 if limiter.hit(("ip", request.META["REMOTE_ADDR"])) else 403)

    with routes(asking):
        assert visit.statuses(2) == [200, 403]


def test_a_count_may_be_raised_from_within_a_view(visit: Visitor) -> None:
    """Charged before the view, given back when it says that nothing failed."""

    def failing(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=400 if "bad" in request.GET else 200)

    limited = ratelimit("2/d", key="ip", count_if=lambda response: response.status_code == 400)(failing)
    with routes(limited):
        assert visit.statuses(5) == [200] * 5
        assert visit.statuses(3, "/0/?bad") == [400, 400, 429]
        assert visit().status_code == 429


def test_it_fails_open_when_redis_does_not_answer(visit: Visitor, settings: Any) -> None:
    settings.REDIS_PATTERNS = {"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}}
    with routes(view("1/d")):
        assert visit.statuses(3) == [200] * 3


def test_a_subclass_has_the_limit_of_its_parent(visit: Visitor) -> None:
    @ratelimit("1/d", key="ip")
    class Parent(View):
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("answer")

    class Child(Parent):
        pass

    with routes(Child.as_view(), Parent.as_view()):
        assert [visit(f"/{n}/").status_code for n in (0, 1)] == [200, 429]


# Django REST framework


def test_the_strictest_of_several_throttles_denies(visit: Visitor) -> None:
    with routes(api(RedisThrottle.of("three", "3/d", key="ip"), RedisThrottle.of("six", "6/d", key="ip"))):
        assert visit.statuses(4) == [200, 200, 200, 429]


def test_who_waits_as_he_is_told_is_not_denied_again(visit: Visitor) -> None:
    with routes(api(RedisThrottle.of("api", "2/s", key="ip", algorithm="log"))):
        while (response := visit()).status_code == 200:
            pass
        time.sleep(int(response.headers["Retry-After"]))
        assert visit().status_code == 200


def test_scopes_are_rules(visit: Visitor) -> None:
    rules = {"x": {"rate": "2/d", "key": "ip"}, "y": {"rate": "1/d", "key": "ip"}}
    views = api(RedisThrottle.rule("x")), api(RedisThrottle.rule("y")), api()
    with routes(*views, rules=rules):
        for url, statuses in (("/0/", [200, 200, 429]), ("/1/", [200, 429]), ("/2/", [200] * 3)):
            assert visit.statuses(len(statuses), url) == statuses


@pytest.mark.parametrize("rate", ["5/d", "2/d"])
def test_a_rate_that_changes_while_it_counts_is_no_error(visit: Visitor, rate: str) -> None:
    with routes(api(RedisThrottle.of("api", "3/d", key="ip"))):
        assert visit.statuses(4)[3] == 429
    with routes(api(RedisThrottle.of("api", rate, key="ip"))):
        assert visit().status_code == 200


@pytest.mark.parametrize("forwarded", ["6.6.6.6", "6.6.6.7, 7.7.7.7", "garbage"])
def test_forwarded_addresses_are_no_identity(visit: Visitor, forwarded: str) -> None:
    with routes(api(RedisThrottle.of("api", "1/d", key="ip"))):
        assert visit().status_code == 200
        assert visit(headers={"x-forwarded-for": forwarded}).status_code == 429


# django-axes


@pytest.fixture
def accounts(settings: Any, django_user_model: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django_redis_patterns.ratelimit.backends.RateLimitedModelBackend"]
    for name in ("ann", "bob"):
        django_user_model.objects.create_user(name, password="word")


def guess(name: str, password: str = "guess", ip: str = "192.0.2.1") -> User | None:
    request = RequestFactory(REMOTE_ADDR=ip).post("/")
    return authenticate(request, username=name, password=password)  # type: ignore[return-value]


@pytest.mark.django_db
@pytest.mark.usefixtures("accounts")
class TestLockout:
    def test_the_right_password_does_not_help_who_is_locked_out(self) -> None:
        for _ in range(5):
            guess("ann")
        assert guess("ann", "word") is None

    def test_a_name_is_open_from_elsewhere_and_others_from_here(self) -> None:
        for _ in range(5):
            guess("ann")
        assert guess("ann", "word", ip="192.0.2.2") is not None
        assert guess("bob", "word") is not None

    def test_a_success_starts_its_count_afresh(self) -> None:
        for _ in range(4):
            guess("ann")
        assert guess("ann", "word") is not None
        for _ in range(4):
            guess("ann")
        assert guess("ann", "word") is not None

    def test_many_names_from_one_address_lock_it_out(self) -> None:
        for number in range(50):
            guess(f"name {number}")
        assert guess("ann", "word") is None
        assert guess("ann", "word", ip="192.0.2.2") is not None

    def test_somebody_may_be_let_in_again(self) -> None:
        for _ in range(5):
            guess("ann")
        who = ["login-ip-username", "ip", "192.0.2.1", "username", "ann"]
        call_command("redis", "limits", "reset", *who, stdout=StringIO())
        assert guess("ann", "word") is not None

    @pytest.mark.parametrize("name", ["x" * 300, "a\x00b", "{}", "", "%s", "\ud800"])
    def test_a_name_may_hold_anything(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("django.contrib.auth.backends.ModelBackend.authenticate", lambda *_, **__: None)
        for _ in range(6):
            assert guess(name) is None

    def test_a_forwarded_address_does_not_help(self) -> None:
        for number in range(6):
            request = RequestFactory().post("/", headers={"x-forwarded-for": f"6.6.6.{number}"})
            authenticate(request, username="ann", password="guess")
        assert guess("ann", "word", ip="127.0.0.1") is None
