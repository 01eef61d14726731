"""Throttles of Django REST framework: decided together, once, and with the middleware where that stands."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import include, path
from rest_framework.authentication import BaseAuthentication
from rest_framework.decorators import action, api_view, throttle_classes
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from django_redis_patterns.core import trace
from django_redis_patterns.exceptions import InvalidConfiguration
from django_redis_patterns.ratelimit import ratelimit
from django_redis_patterns.ratelimit.drf import RedisThrottle

from .site import AUTH, HIT, SESSIONS, STACK, Visitor, routes, verbs

ALONE = [SESSIONS, AUTH]


@pytest.fixture(params=[ALONE, STACK], ids=["alone", "with the middleware"])
def middleware(request: pytest.FixtureRequest) -> list[str]:
    return request.param  # type: ignore[no-any-return]


class Token(BaseAuthentication):
    """Knows users by a header, without a session."""

    def authenticate(self, request: Any) -> Any:
        name = request.headers.get("x-token")
        return (User(pk=len(name), username=name), None) if name else None


def view(*throttles: type[BaseThrottle], **attributes: Any) -> Any:
    class Api(APIView):
        authentication_classes = [Token]
        throttle_classes = throttles

        def get(self, request: Any) -> Response:
            return Response("answer")

    for name, value in attributes.items():
        setattr(Api, name, value)
    return Api.as_view()


def test_a_rule_of_the_settings(visit: Visitor, middleware: list[str]) -> None:
    rules = {"api": {"rate": "2/d", "key": "ip"}}
    with routes(view(RedisThrottle.rule("api")), middleware=middleware, rules=rules):
        responses = [visit(headers={"accept": "application/json"}) for _ in range(3)]
    assert [response.status_code for response in responses] == [200, 200, 429]
    assert responses[0].headers["RateLimit"].startswith('"api";r=1')
    assert int(responses[2].headers["Retry-After"]) > 86000


def test_a_token_s_user_is_limited_wherever_they_are(visit: Visitor, middleware: list[str]) -> None:
    throttle = RedisThrottle.of("api", "2/d")
    with routes(view(throttle), middleware=middleware):
        for ip, status in (("192.0.2.1", 200), ("192.0.2.2", 200), ("192.0.2.3", 429)):
            assert visit(ip=ip, headers={"x-token": "ann"}).status_code == status
        assert visit(ip="192.0.2.3", headers={"x-token": "bobby"}).status_code == 200
        assert visit.statuses(3, ip="192.0.2.3") == [200, 200, 429]


def test_several_at_once_are_one_trip(visit: Visitor, middleware: list[str], one_node: None) -> None:
    throttles = [RedisThrottle.of("burst", "5/m", key="ip"), RedisThrottle.of("day", "100/d", "500/w", key="ip")]
    with routes(view(*throttles), middleware=middleware), trace.record() as log:
        response = visit()
    assert (log.trips, verbs(log)) == (1, [HIT])
    assert [item.partition(";")[0] for item in response.headers["RateLimit"].split(", ")] == [
        '"burst"',
        '"day:100/d"',
        '"day:500/w"',
    ]


def test_what_needs_no_user_is_decided_with_all_else(visit: Visitor, one_node: None) -> None:
    rules = {"site": {"rate": "9/m", "key": "ip", "match": {"path": "/"}}}
    limited = ratelimit("9/h", key="ip")(view(RedisThrottle.of("api", "9/d", key="ip")))
    with routes(limited, rules=rules), trace.record() as log:
        assert visit().status_code == 200
    assert (log.trips, verbs(log)) == (1, [HIT])


def test_what_one_denies_no_other_is_charged_for(visit: Visitor, middleware: list[str]) -> None:
    few, many = RedisThrottle.of("few", "1/d", key="ip"), RedisThrottle.of("many", "9/d", key="ip")
    with routes(view(many, few), view(many), middleware=middleware):
        assert visit.statuses(4, "/0/") == [200, 429, 429, 429]
        assert visit("/1/").headers["RateLimit"].startswith('"many";r=7')


def test_beside_a_throttle_of_drf(visit: Visitor, middleware: list[str]) -> None:
    class Never(BaseThrottle):  # type: ignore[misc]
        def allow_request(self, request: Any, view: Any) -> bool:
            return "x-never" not in request.headers

        def wait(self) -> float:
            return 3

    with routes(view(RedisThrottle.of("api", "9/d", key="ip"), Never), middleware=middleware):
        assert visit().status_code == 200
        response = visit(headers={"x-never": "1"})
    assert (response.status_code, response.headers["Retry-After"]) == (429, "3")


def test_the_longest_wait_is_told(visit: Visitor, middleware: list[str]) -> None:
    throttles = [RedisThrottle.of("short", "1/10s", algorithm="log"), RedisThrottle.of("long", "1/h", algorithm="log")]
    with routes(view(*throttles), middleware=middleware):
        response = [visit() for _ in range(2)][1]
    assert 3590 < int(response.headers["Retry-After"]) <= 3600


def test_a_page_of_another_origin_may_read_it(visit: Visitor, middleware: list[str]) -> None:
    with routes(view(RedisThrottle.of("api", "9/d", key="ip")), middleware=middleware):
        response = visit(headers={"origin": "https://a.example"})
    assert response.headers["Access-Control-Expose-Headers"] == "RateLimit, RateLimit-Policy, Retry-After"


def test_a_view_of_a_function(visit: Visitor, middleware: list[str]) -> None:
    @api_view(["GET"])
    @throttle_classes([RedisThrottle.of("api", "1/d", key="ip")])
    def answer(request: Any) -> Response:
        return Response("answer")

    with routes(answer, middleware=middleware):
        assert visit.statuses(2) == [200, 429]


@pytest.mark.parametrize("outside", [True, False])
def test_the_decorator_on_a_view_of_a_function(visit: Visitor, middleware: list[str], outside: bool) -> None:
    limit = ratelimit("1/d", key="ip")

    def answer(request: Any) -> Response:
        return Response("answer")

    limited = limit(api_view(["GET"])(answer)) if outside else api_view(["GET"])(limit(answer))
    with routes(limited, middleware=middleware):
        assert visit.statuses(2, headers={"accept": "application/json"}) == [200, 429]


def test_an_action_of_a_view_set(visit: Visitor, middleware: list[str]) -> None:
    class Books(ViewSet):
        @ratelimit("1/d", key="ip")
        def list(self, request: Any) -> Response:
            return Response("all")

        def retrieve(self, request: Any, pk: str) -> Response:
            return Response(pk)

    router = SimpleRouter()
    router.register("books", Books, "book")
    with routes(path("", include(router.urls)), middleware=middleware):
        assert visit.statuses(2, "/books/") == [200, 429]
        assert visit("/books/", method="head").status_code == 429
        assert visit.statuses(2, "/books/1/") == [200, 200]


def test_the_middleware_finds_the_limit_of_an_action(visit: Visitor, one_node: None) -> None:
    class Books(ViewSet):
        @ratelimit("9/d", key="ip")
        def list(self, request: Any) -> Response:
            return Response("all")

    router = SimpleRouter()
    router.register("books", Books, "book")
    rules = {"site": {"rate": "9/d", "key": "ip", "match": {"path": "/"}}}
    with routes(path("", include(router.urls)), rules=rules), trace.record() as log:
        visit("/books/")
    assert (log.trips, verbs(log)) == (1, [HIT])


def test_a_name_that_the_settings_do_not_have(visit: Visitor, middleware: list[str]) -> None:
    site = routes(view(RedisThrottle.rule("apo")), middleware=middleware, rules={"api": {"rate": "1/d"}})
    with site, pytest.raises(InvalidConfiguration, match="Did you mean 'api'"):
        visit()


def test_each_function_of_an_api_has_a_limit_of_its_own(visit: Visitor, middleware: list[str]) -> None:
    @ratelimit("1/d", key="ip")
    @api_view(["GET"])
    def one(request: Any) -> Response:
        return Response("answer")

    @ratelimit("1/d", key="ip")
    @api_view(["GET"])
    def other(request: Any) -> Response:
        return Response("answer")

    with routes(one, other, middleware=middleware):
        assert visit.statuses(2, "/0/") == [200, 429]
        assert visit("/1/").status_code == 200


def test_a_site_whose_nobody_is_none(visit: Visitor, middleware: list[str], settings: Any) -> None:
    settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}
    with routes(view(RedisThrottle.of("books", "1/d"), authentication_classes=[]), middleware=middleware):
        assert visit.statuses(2) == [200, 429]


class Shelves(ViewSet):
    """Has a throttle, an action without one, and an action with another one."""

    authentication_classes = permission_classes = ()
    throttle_classes = (RedisThrottle.of("shelves", "1/d", key="ip"),)

    def list(self, request: Any) -> Response:
        return Response([])

    @action(detail=False, throttle_classes=[])
    def free(self, request: Any) -> Response:
        return Response([])

    @action(detail=False, throttle_classes=[RedisThrottle.of("strict", "1/d", key="ip")])
    def strict(self, request: Any) -> Response:
        return Response([])


def test_an_action_has_throttles_of_its_own(visit: Visitor, middleware: list[str]) -> None:
    router = SimpleRouter()
    router.register("shelves", Shelves, basename="shelves")
    with routes(path("", include(router.urls)), middleware=middleware):
        assert visit.statuses(2, "/shelves/") == [200, 429]
        assert visit.statuses(2, "/shelves/free/") == [200, 200]
        assert visit.statuses(2, "/shelves/strict/") == [200, 429]


def test_a_view_may_choose_its_throttles_by_the_request(visit: Visitor, middleware: list[str]) -> None:
    def get_throttles(self: Any) -> list[BaseThrottle]:
        return [throttle() for throttle in self.throttle_classes if "x-free" not in self.request.headers]

    limited = view(RedisThrottle.of("books", "1/d", key="ip"), get_throttles=get_throttles)
    with routes(limited, middleware=middleware):
        assert visit.statuses(2, headers={"x-free": "1"}) == [200, 200]
        assert visit.statuses(2) == [200, 429]


def test_a_refusal_is_never_stored(visit: Visitor, middleware: list[str]) -> None:
    with routes(view(RedisThrottle.of("books", "1/d")), middleware=middleware):
        allowed, denied = visit(), visit()
    assert (denied.status_code, denied.headers["Cache-Control"]) == (429, "no-store")
    assert "Cache-Control" not in allowed.headers
