"""``@ratelimit``: every kind of view, alone and with the middleware, and never twice."""

from functools import wraps
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.test import override_settings
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.http import require_POST

from django_redis_patterns.core import trace
from django_redis_patterns.exceptions import InvalidConfiguration
from django_redis_patterns.ratelimit import Limiter, ratelimit
from django_redis_patterns.ratelimit.enforcement import enforce, settle
from django_redis_patterns.ratelimit.request_rules import RequestRule
from django_redis_patterns.ratelimit.verdict import Verdict

from .site import AUTH, HIT, SESSIONS, STACK, Visitor, plain, routes, verbs

ALONE = [SESSIONS, AUTH]


@pytest.fixture(params=[ALONE, STACK], ids=["alone", "with the middleware"])
def middleware(request: pytest.FixtureRequest) -> list[str]:
    return request.param  # type: ignore[no-any-return]


def function(**options: Any) -> Any:
    @ratelimit("2/d", key="ip", **options)
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("answer")

    return view


def coroutine(**options: Any) -> Any:
    @ratelimit("2/d", key="ip", **options)
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("answer")

    return view


def method(**options: Any) -> Any:
    class Page(View):
        @ratelimit("2/d", key="ip", **options)
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("answer")

        def post(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("free")

    return Page.as_view()


def async_method(**options: Any) -> Any:
    class Page(View):
        @ratelimit("2/d", key="ip", **options)
        async def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("answer")

    return Page.as_view()


def whole_class(**options: Any) -> Any:
    @ratelimit("2/d", key="ip", **options)
    class Page(View):
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("answer")

    return Page.as_view()


def async_class(**options: Any) -> Any:
    @ratelimit("2/d", key="ip", **options)
    class Page(View):
        async def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("answer")

    return Page.as_view()


def by_method_decorator(**options: Any) -> Any:
    @method_decorator(ratelimit("2/d", key="ip", **options), name="dispatch")
    class Page(View):
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("answer")

    return Page.as_view()


def async_by_method_decorator(**options: Any) -> Any:
    @method_decorator(ratelimit("2/d", key="ip", **options), name="dispatch")
    class Page(View):
        async def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("answer")

    return Page.as_view()


def under_another(**options: Any) -> Any:
    def somebody_elses(view: Any) -> Any:
        @wraps(view)
        def wrapper(*args: Any) -> Any:
            return view(*args)

        return wrapper

    return somebody_elses(function(**options))


def under_one_that_hides_it(**options: Any) -> Any:
    view = function(**options)
    return lambda request: view(request)


KINDS = [
    function,
    coroutine,
    method,
    async_method,
    whole_class,
    async_class,
    by_method_decorator,
    async_by_method_decorator,
    under_another,
    under_one_that_hides_it,
]
every_kind = pytest.mark.parametrize("make", KINDS)


@every_kind
def test_every_kind_of_view_is_limited_and_counted_once(visit: Visitor, middleware: list[str], make: Any) -> None:
    with routes(make(), middleware=middleware):
        responses = [visit() for _ in range(3)]
    assert [response.status_code for response in responses] == [200, 200, 429]
    assert [response.headers["RateLimit"].partition(";t")[0].rpartition(";")[2] for response in responses] == [
        "r=1",
        "r=0",
        "r=0",
    ]
    assert responses[0].content == b"answer"
    assert "Retry-After" in responses[2].headers


@every_kind
def test_a_limited_view_is_one_trip(visit: Visitor, middleware: list[str], make: Any) -> None:
    with routes(make(), middleware=middleware), trace.record() as log:
        visit()
    assert (log.trips, verbs(log)) == (1, [HIT])


@every_kind
def test_what_does_not_count_is_given_back(visit: Visitor, middleware: list[str], make: Any) -> None:
    fine = make(count_if=lambda response: response.status_code >= 400, name="kind")
    with routes(fine, middleware=middleware):
        assert visit.statuses(5) == [200] * 5
    assert Limiter("kind", "2/d").peek(("ip", "127.0.0.1")).remaining == 2


def test_what_counts_stays_charged(visit: Visitor, middleware: list[str]) -> None:
    @ratelimit("2/d", key="ip", count_if=lambda response: response.status_code == 401)
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("no", status=401)

    with routes(view, middleware=middleware), trace.record() as log:
        assert visit.statuses(2) == [401, 401]
        assert log.trips == 2
        assert visit().status_code == 429


def test_several_decorators_are_one_trip(visit: Visitor, middleware: list[str], one_node: None) -> None:
    @ratelimit("5/d", key="ip", name="a")
    @require_POST
    @ratelimit("2/d", key="header:X-Org", name="b")
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("answer")

    with routes(view, middleware=middleware):
        with trace.record() as log:
            response = visit(method="post")
        assert (log.trips, verbs(log)) == (1, [HIT] * 2)
        assert [item.partition(";t")[0] for item in response.headers["RateLimit"].split(", ")] == ['"a";r=4', '"b";r=1']
        assert visit.statuses(2, method="post") == [200, 429]


def test_the_outermost_who_limits_a_request_sees_to_its_answer() -> None:
    verdict = Verdict()
    with verdict.answering() as first, verdict.answering() as inside:
        assert (first, inside) == (True, False)
    with verdict.answering() as first:
        with verdict.answering():
            pass
        with verdict.answering() as second_inside:
            assert (first, second_inside) == (True, False)


def test_methods_of_a_class_have_limits_of_their_own(visit: Visitor, middleware: list[str]) -> None:
    with routes(method(), middleware=middleware):
        assert visit.statuses(3) == [200, 200, 429]
        assert visit(method="post").status_code == 200


@pytest.mark.parametrize("verb", ["get", "head"])
def test_the_middleware_finds_the_limit_of_a_method(visit: Visitor, verb: str) -> None:
    rules = {"site": {"rate": "9/d", "key": "ip", "match": {"path": "/"}}}
    with routes(method(), rules=rules), trace.record() as log:
        visit(method=verb)
    assert (log.trips, verbs(log)) == (1, [HIT])


def test_a_subclass_that_overrides_dispatch_is_limited(visit: Visitor, middleware: list[str]) -> None:
    @ratelimit("1/d", key="ip")
    class Base(View):
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("answer")

    class Page(Base):
        def dispatch(self, *args: Any, **kwargs: Any) -> Any:
            return super().dispatch(*args, **kwargs)

    with routes(Page.as_view(), middleware=middleware):
        assert visit.statuses(2) == [200, 429]


def test_two_views_with_the_same_rate_are_two_limits(visit: Visitor, middleware: list[str]) -> None:
    @ratelimit("1/d", key="ip")
    def one(request: HttpRequest) -> HttpResponse:
        return HttpResponse("answer")

    @ratelimit("1/d", key="ip")
    def other(request: HttpRequest) -> HttpResponse:
        return HttpResponse("answer")

    with routes(one, other, middleware=middleware):
        assert visit.statuses(2, "/0/") == [200, 429]
        assert visit("/1/").status_code == 200


def test_a_rule_of_the_settings_by_name(visit: Visitor, middleware: list[str]) -> None:
    @ratelimit(rule="api")
    def one(request: HttpRequest) -> HttpResponse:
        return HttpResponse("answer")

    @ratelimit(rule="api")
    def other(request: HttpRequest) -> HttpResponse:
        return HttpResponse("answer")

    with routes(one, other, middleware=middleware, rules={"api": {"rate": "1/d", "key": "ip"}}):
        assert [visit("/0/").status_code, visit("/1/").status_code] == [200, 429]


def test_a_name_that_the_settings_do_not_have(visit: Visitor, middleware: list[str]) -> None:
    site = routes(ratelimit(rule="apo")(plain), middleware=middleware, rules={"api": {"rate": "1/d"}})
    with site, pytest.raises(InvalidConfiguration, match="Did you mean 'api'"):
        visit()


def test_a_cost_may_depend_on_the_request(visit: Visitor, middleware: list[str]) -> None:
    @ratelimit("10/d", key="ip", cost=lambda request: int(request.GET["n"]))
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("answer")

    with routes(view, middleware=middleware):
        assert [visit(f"/0/?n={n}").status_code for n in (6, 5, 4, 1, 0)] == [200, 429, 200, 429, 200]


def test_rates_may_depend_on_the_request(visit: Visitor, middleware: list[str]) -> None:
    plans = {"gold": ["3/d", "100/w"], "silver": "2/d"}

    @ratelimit("1/d", key="header:X-Plan", rates_for=lambda request: plans.get(request.headers["x-plan"]))
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("answer")

    with routes(view, middleware=middleware):
        for plan, statuses in (("gold", [200] * 3 + [429]), ("silver", [200] * 2 + [429]), ("iron", [200, 429])):
            assert visit.statuses(len(statuses), headers={"x-plan": plan}) == statuses


async def a_cost(request: HttpRequest) -> int:
    return 2


def test_callables_may_be_coroutines_or_paths(visit: Visitor, middleware: list[str]) -> None:
    @ratelimit("2/d", key=f"{__name__}.somebody", cost=f"{__name__}.a_cost")
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("answer")

    with routes(view, middleware=middleware):
        assert visit.statuses(2) == [200, 429]


def somebody(request: HttpRequest) -> str:
    return "somebody"


def test_with_redis_away_what_was_charged_stays_so(caplog: pytest.LogCaptureFixture) -> None:
    limiter = Limiter("login", "5/d")
    request = HttpRequest()
    rule = RequestRule(rule=limiter.declared, key=lambda request: "ann", count_if=lambda response: False)
    assert enforce(request, [rule])
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}}):
        assert settle(request, HttpResponse()) is False
    assert limiter.peek("ann").remaining == 4
    assert "stays charged" in caplog.text


def test_the_exception_of_a_view_stays_charged(visit: Visitor, middleware: list[str]) -> None:
    @ratelimit("1/d", key="ip")
    def view(request: HttpRequest) -> HttpResponse:
        raise LookupError("a mistake")

    visit.options["raise_request_exception"] = False
    with routes(view, middleware=middleware):
        assert visit.statuses(2) == [500, 429]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda: ratelimit("1/month", key="ip"), "a month has no fixed length"),
        (lambda: ratelimit(key="ip"), "needs rates"),
        (lambda: ratelimit("1/m", key="ipp"), "key 'ipp': write ip, user"),
        (lambda: ratelimit("1/m", key=[]), "empty key"),
        (lambda: ratelimit("1/m", key=[7]), "key 7: it must be"),
        (lambda: ratelimit("1/m", key="header:"), "key 'header:'"),
        (lambda: ratelimit("1/m", key="ip", methods=""), "methods is"),
        (lambda: ratelimit("1/m", key="ip", cost="no.such.thing"), "cost names 'no.such.thing'"),
        (lambda: ratelimit("1/m", key="ip", cost=-1), "cost is a whole number"),
        (lambda: ratelimit("1/m", key="ip", cost=0.5), "cost is a whole number"),
        (lambda: ratelimit("1/m", key="ip", count_if=404), "count_if is a callable"),
        (lambda: ratelimit("1/m", key="ip", rates_for=["5/m"]), "rates_for is a callable"),
        (lambda: ratelimit("1/m", key="ip", shadow="no"), "shadow is True or False"),
        (lambda: ratelimit("1/m", rule="api"), "give nothing beside its name"),
        (lambda: ratelimit(rule="api", key="ip"), "give nothing beside its name"),
    ],
)
def test_a_mistake_is_named(given: Any, message: str) -> None:
    with pytest.raises((ValueError, InvalidConfiguration), match=message):
        given()(lambda request: None)


def test_what_is_no_view_is_named() -> None:
    @ratelimit("1/m", key="ip")
    def double(number: int) -> int:
        return number * 2

    with pytest.raises(TypeError, match="no request is among the arguments"):
        double(2)


def test_a_limit_by_user_needs_users(visit: Visitor) -> None:
    @ratelimit("1/m")
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("answer")

    with routes(view, middleware=[]), pytest.raises(InvalidConfiguration, match="AuthenticationMiddleware"):
        visit()


def pages() -> tuple[type[View], type[View]]:
    """Two views of one base, which Django's own helpers would call alike."""

    class Base(View):
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("answer")

    class One(Base):
        pass

    class Other(Base):
        pass

    return One, Other


def of_as_view(page: type[View]) -> Any:
    return ratelimit("1/d", key="ip")(page.as_view())


def of_method_decorator(page: type[View]) -> Any:
    return method_decorator(ratelimit("1/d", key="ip"), name="dispatch")(page).as_view()


@pytest.mark.parametrize("limited", [of_as_view, of_method_decorator])
def test_each_class_has_a_limit_of_its_own(visit: Visitor, middleware: list[str], limited: Any) -> None:
    with routes(*map(limited, pages()), middleware=middleware):
        assert visit.statuses(2, "/0/") == [200, 429]
        assert visit.statuses(2, "/1/") == [200, 429]


def test_a_subclass_shares_what_its_parent_was_decorated_with(visit: Visitor, middleware: list[str]) -> None:
    parent = method_decorator(ratelimit("1/d", key="ip"), name="dispatch")(pages()[0])
    child = type("Child", (parent,), {})
    with routes(parent.as_view(), child.as_view(), middleware=middleware):
        assert (visit("/0/").status_code, visit("/1/").status_code) == (200, 429)


def of_async_view(page: type[View]) -> Any:
    """What is async here is a plain function with a mark."""
    return ratelimit("2/d", key="ip")(page.as_view())


def of_async_subclass(page: type[View]) -> Any:
    parent = ratelimit("2/d", key="ip")(type("Parent", (View,), {}))
    return type("Child", (parent,), dict(vars(page))).as_view()


@pytest.mark.parametrize("limited", [of_async_view, of_async_subclass])
def test_an_async_view_is_awaited_however_it_became_one(visit: Visitor, middleware: list[str], limited: Any) -> None:
    class Page(View):
        async def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("answer")

    with routes(limited(Page), middleware=middleware):
        assert visit.statuses(3) == [200, 200, 429]


def test_a_decorator_without_rates_is_an_error_at_once() -> None:
    with pytest.raises((TypeError, ValueError), match="rate"):
        ratelimit(plain)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [Http404, PermissionDenied, SuspiciousOperation])
@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_raising_view_answers_is_asked_too(
    visit: Visitor, middleware: list[str], error: type[Exception], is_async: bool
) -> None:
    status = {Http404: 404, PermissionDenied: 403, SuspiciousOperation: 400}[error]

    def view(request: HttpRequest) -> HttpResponse:
        raise error

    async def aview(request: HttpRequest) -> HttpResponse:
        raise error

    def limited(name: str, count_if: Any) -> Any:
        return ratelimit("1/d", key="ip", name=name, count_if=count_if)(aview if is_async else view)

    free = limited("free", lambda response: response.status_code != status)
    counted = limited("counted", lambda response: response.status_code == status)
    with routes(free, counted, middleware=middleware):
        assert visit.statuses(3, "/0/") == [status] * 3
        assert visit.statuses(2, "/1/") == [status, 429]
