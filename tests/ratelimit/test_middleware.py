"""The middleware: one evaluation of all rules of a request, its round trips, and what it tells."""

from typing import Any

import pytest
from asgiref.sync import SyncToAsync, iscoroutinefunction
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.utils.decorators import sync_and_async_middleware
from django.utils.functional import SimpleLazyObject

from django_redis_patterns.core import trace
from django_redis_patterns.ratelimit import Decision, keys, ratelimit
from django_redis_patterns.ratelimit.matching import Match, parse_methods
from django_redis_patterns.signals import rate_limited
from tests.sessions.conftest import login

from .site import AUTH, HIT, OURS, SESSIONS, Visitor, aplain, plain, routes, verbs

EVERYTHING = {"path": "/"}


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.session.get("_auth_user_id", "nobody"))


@sync_and_async_middleware
def by_token(get_response: Any) -> Any:
    """Knows users by a header, as a middleware for JWT does; the lazy one is what many of them write."""

    def put(request: Any) -> None:
        def user() -> User:
            return User(pk=int(request.headers["x-token"]))

        request.user = SimpleLazyObject(user) if "x-lazy" in request.headers else user()

    def middleware(request: HttpRequest) -> Any:
        put(request)
        return get_response(request)

    async def amiddleware(request: HttpRequest) -> Any:
        put(request)
        return await get_response(request)

    return amiddleware if iscoroutinefunction(get_response) else middleware


def by_path(request: HttpRequest) -> str:
    return "one"


@pytest.mark.parametrize("view", [plain, aplain])
def test_a_rule_of_the_settings_limits_what_it_matches(visit: Visitor, view: Any) -> None:
    with routes(view, view, rules={"api": {"rate": "2/d", "key": "ip", "match": {"path": "/0/"}}}):
        assert visit.statuses(3, "/0/") == [200, 200, 429]
        assert visit("/1/").status_code == 200


def test_a_rule_without_a_match_waits_to_be_asked(visit: Visitor) -> None:
    with routes(plain, rules={"api": {"rate": "1/d", "key": "ip"}}):
        assert visit.statuses(2) == [200, 200]


def test_one_rule_is_one_bucket_for_all_of_its_paths(visit: Visitor) -> None:
    rules = {"api": {"rate": "2/d", "key": "ip", "match": {"path": "/api/"}}}
    with routes(path("api/<int:pk>/", lambda request, pk: plain(request)), rules=rules):
        assert [visit(f"/api/{pk}/").status_code for pk in range(3)] == [200, 200, 429]


def test_what_has_no_view_is_counted_too(visit: Visitor) -> None:
    common = "django.middleware.common.CommonMiddleware"
    rules = {"site": {"rate": "3/d", "key": "ip", "match": EVERYTHING}}
    with routes(plain, middleware=[OURS, common], rules=rules):
        assert [visit(url).status_code for url in ("/no/", "/0", "/0/", "/no/", "/0")] == [404, 301, 200, 429, 429]


def test_what_has_no_view_is_told_its_limits(visit: Visitor) -> None:
    rules = {"site": {"rate": "3/d", "key": "ip", "match": EVERYTHING, "count_if": lambda response: False}}
    with routes(plain, rules=rules):
        assert all(visit("/no/").headers["RateLimit"].startswith('"site";r=2;') for _ in range(4))


def test_a_rule_may_name_routes(visit: Visitor) -> None:
    api = include(([path("list/", plain, name="list")], "api"))
    rules = {"api": {"rate": "1/d", "key": "ip", "match": {"route": ["api:*"]}}}
    with routes(path("v1/", api), plain, rules=rules):
        assert visit.statuses(2, "/v1/list/") == [200, 429]
        assert visit("/1/").status_code == 200


def test_all_rules_of_an_identity_are_one_trip(visit: Visitor, one_node: None) -> None:
    @ratelimit("10/m", "100/d", key="ip")
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("limited")

    rules = {"site": {"rate": "100/m", "key": "ip", "match": EVERYTHING}}
    with routes(view, rules=rules), trace.record() as log:
        assert visit().status_code == 200
    assert (log.trips, verbs(log)) == (1, [HIT])


def test_three_identities_are_one_trip(visit: Visitor, one_node: None) -> None:
    rules = {
        "a": {"rate": "10/m", "key": "ip", "match": EVERYTHING},
        "b": {"rate": "10/m", "key": "header:X-Org", "match": EVERYTHING},
        "c": {"rate": "10/m", "key": lambda request: "everybody", "match": EVERYTHING},
    }
    with routes(plain, rules=rules), trace.record() as log:
        assert visit(headers={"x-org": "acme"}).status_code == 200
    assert (log.trips, verbs(log)) == (1, [HIT] * 3)


def test_who_is_denied_already_costs_no_trip(visit: Visitor) -> None:
    with routes(who, rules={"api": {"rate": "1/d", "key": "ip", "match": EVERYTHING}}):
        visit.statuses(2)
        visit.cookies = {"sessionid": login(7).session_key}
        with trace.record() as log:
            assert visit().status_code == 429
    assert log.trips == 0


@pytest.mark.parametrize("view", [who, plain])
def test_an_unread_session_comes_along(visit: Visitor, one_node: None, view: Any) -> None:
    visit.cookies = {"sessionid": login(7).session_key}
    with routes(view, rules={"api": {"rate": "5/d", "key": "ip", "match": EVERYTHING}}), trace.record() as log:
        assert visit().content == (b"7" if view is who else b"plain")
    assert (log.trips, sorted(verbs(log))) == (1, [HIT, "HGETALL"])


def test_a_session_that_cannot_come_along_is_nobody_s_error(visit: Visitor, settings: Any) -> None:
    visit.cookies = {"sessionid": login(7).session_key}
    settings.REDIS_PATTERNS = {"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}}
    with routes(plain, who, rules={"api": {"rate": "5/d", "key": "ip", "match": EVERYTHING}}):
        assert visit("/0/").status_code == 200
        visit.options["raise_request_exception"] = False
        assert visit("/1/").status_code == 503


def test_another_engine_s_session_stays_where_it_is(visit: Visitor, settings: Any) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    visit.cookies = {"sessionid": "x"}
    stack = ["django.contrib.sessions.middleware.SessionMiddleware", OURS]
    rules = {"api": {"rate": "5/d", "key": "ip", "match": EVERYTHING}}
    with routes(plain, middleware=stack, rules=rules), trace.record() as log:
        assert visit().status_code == 200
    assert verbs(log) == [HIT]


def test_a_session_elsewhere_stays_where_it_is(visit: Visitor, settings: Any) -> None:
    connections = settings.REDIS_PATTERNS["CONNECTIONS"]
    settings.REDIS_PATTERNS = {"CONNECTIONS": {**connections, "limits": connections["default"]}}
    visit.cookies = {"sessionid": login(7).session_key}
    rules = {"api": {"rate": "5/d", "key": "ip", "match": EVERYTHING}}
    with routes(plain, connection="limits", rules=rules), trace.record() as log:
        assert visit().status_code == 200
    assert verbs(log) == [HIT]


def test_a_visitor_without_a_session_loads_none(visit: Visitor) -> None:
    with routes(plain, rules={"api": {"rate": "5/d", "key": "ip", "match": EVERYTHING}}), trace.record() as log:
        visit()
    assert verbs(log) == [HIT]


def test_a_view_nobody_limits_costs_nothing(visit: Visitor) -> None:
    visit.cookies = {"sessionid": login(7).session_key}
    with routes(plain), trace.record() as log:
        response = visit()
    assert log.trips == 0
    assert "RateLimit" not in response.headers


def test_a_limited_request_hops_to_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under ASGI charging, the session and giving back are awaited on the loop."""
    hops = []
    hop = SyncToAsync.__call__

    async def counted(self: SyncToAsync, *args: object, **kwargs: object) -> object:
        hops[-1] += 1
        return await hop(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", counted)
    visit = Visitor("asgi", {"sessionid": str(login(7).session_key)})
    limited = ratelimit("9/d", key=["ip", "header:X-Org"], count_if=never)(aplain)
    for view, middleware in ((aplain, []), (limited, [SESSIONS, OURS]), (limited, [])):
        hops.append(0)
        with routes(view, middleware=middleware):
            assert visit().status_code == 200
    assert hops[0] == hops[1] == hops[2]


async def never(response: HttpResponse) -> bool:
    return False


@pytest.mark.parametrize("denied_by", ["site", "view"])
def test_what_one_rule_denies_no_other_is_charged_for(visit: Visitor, denied_by: str) -> None:
    few, many = "1/d", "3/d"

    @ratelimit(few if denied_by == "view" else many, key="ip", name="view")
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("limited")

    rule = {"rate": few if denied_by == "site" else many, "key": "header:X-Org", "match": EVERYTHING}
    with routes(view, rules={"site": rule}):
        responses = [visit() for _ in range(3)]
    assert [response.status_code for response in responses] == [200, 429, 429]
    generous = {"site": "view", "view": "site"}[denied_by]
    assert f'"{generous}";r=2' in responses[1].headers["RateLimit"]


def test_the_view_sees_what_is_left(visit: Visitor) -> None:
    def view(request: Any) -> HttpResponse:
        return HttpResponse(f"{bool(request.ratelimit)} {request.ratelimit.remaining}")

    rules = {name: {"rate": rate, "key": "ip", "match": EVERYTHING} for name, rate in {"a": "9/m", "b": "5/d"}.items()}
    with routes(view, rules=rules):
        assert visit().content == b"True 4"


def test_methods(visit: Visitor) -> None:
    rules = {"write": {"rate": "1/d", "key": "ip", "methods": "unsafe", "match": EVERYTHING}}
    with routes(plain, rules=rules):
        assert visit.statuses(2) == [200, 200]
        assert visit.statuses(2, method="post") == [200, 429]
        assert visit(method="delete").status_code == 429


def test_shadow_counts_and_denies_nobody(visit: Visitor) -> None:
    rules = {
        "new": {"rate": "1/d", "key": "ip", "shadow": True, "match": EVERYTHING},
        "old": {"rate": "3/d", "key": "ip", "match": EVERYTHING},
    }
    with routes(plain, rules=rules):
        responses = [visit() for _ in range(3)]
    assert [response.status_code for response in responses] == [200] * 3
    assert responses[2].headers["RateLimit"].startswith('"old";r=0')


def test_a_signal_tells_of_denials_and_of_shadows(visit: Visitor) -> None:
    told = []

    def receiver(sender: type, request: HttpRequest, decision: Decision, **_: Any) -> None:
        told.append((sender, request.path, decision.rule, decision.allowed))
        raise RuntimeError("a mistake of the receiver")

    rules = {
        "deny": {"rate": "2/d", "key": "ip", "match": EVERYTHING},
        "look": {"rate": "1/d", "key": "ip", "shadow": True, "match": EVERYTHING},
    }
    rate_limited.connect(receiver)
    try:
        with routes(plain, rules=rules):
            assert visit.statuses(3) == [200, 200, 429]
    finally:
        rate_limited.disconnect(receiver)
    assert told == [(Decision, "/0/", "look", True), (Decision, "/0/", "deny", False), (Decision, "/0/", "look", True)]


def test_that_nobody_s_address_is_known_is_said_once(visit: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    keys._say_that_ips_are_unknown.cache_clear()
    before = trace.counters().get("ratelimit.unknown_ip", 0)
    with routes(plain, rules={"api": {"rate": "1/d", "key": "ip", "match": EVERYTHING}}):
        visit.statuses(3, ip="")
    assert [record.message for record in caplog.records if "TRUSTED_PROXIES" in record.message] == [
        "Nobody knows the addresses of clients, so limits by ip count nobody: see TRUSTED_PROXIES."
    ]
    assert trace.counters()["ratelimit.unknown_ip"] == before + 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"path": "api/"}, 'start with "/"'),
        ({"path": ["/api/", "*"]}, 'start with "/"'),
        ({"path": [7]}, "a text or a list of texts"),
        ({"route": [7]}, "a text or a list of texts"),
        ({"path": []}, "at least one path or route"),
        ({"path": "/api/", "route": ""}, "at least one path or route"),
        ({}, 'match is {"path": "/api/"}'),
        ("/api/", 'match is {"path": "/api/"}'),
    ],
)
def test_a_match_that_could_not_match_is_named(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Match.parse(given)


@pytest.mark.parametrize("methods", ["PSOT", "ALL", "UNSAFE", ["unsafe"], []])
def test_methods_that_no_request_has_are_named(methods: Any) -> None:
    with pytest.raises(ValueError, match='methods is "POST"'):
        parse_methods(methods)


@pytest.mark.parametrize(
    ("exempt", "url", "ip", "status"),
    [
        ({"exempt_networks": ["192.0.2.0/24"]}, "/0/", "192.0.2.9", 200),
        ({"exempt_networks": ["192.0.2.0/24"]}, "/0/", "198.51.100.9", 429),
        ({"exempt_networks": ["192.0.2.0/24"]}, "/0/", "::ffff:192.0.2.9", 200),
        ({"exempt_networks": ["192.0.2.0/24"]}, "/0/", "2002:c000:209::1", 429),  # anybody's: 6to4 of 192.0.2.9
        ({"exempt_networks": ["192.0.2.0/24"]}, "/0/", "64:ff9b::192.0.2.9", 429),
        ({"exempt_paths": ["/0/"]}, "/0/", "192.0.2.9", 200),
        ({"exempt_paths": ["/0"]}, "/0/", "192.0.2.9", 429),
        ({"exempt_paths": ["/"]}, "/0/", "192.0.2.9", 200),
    ],
)
def test_exemptions(visit: Visitor, exempt: dict[str, Any], url: str, ip: str, status: int) -> None:
    with routes(plain, rules={"api": {"rate": "1/d", "key": "ip", "match": EVERYTHING}}, **exempt):
        assert visit.statuses(2, url, ip=ip)[1] == status


@pytest.mark.django_db(transaction=True)
def test_exempt_users(visit: Visitor, django_user_model: Any) -> None:
    rules = {"api": {"rate": "1/d", "key": "ip", "match": EVERYTHING}}
    with routes(plain, rules=rules, exempt_users="is_staff"):
        for name, staff, statuses in (("boss", True, [200, 200]), ("ann", False, [200, 429])):
            visit.cookies = {"sessionid": session_of(django_user_model.objects.create_user(name, is_staff=staff))}
            assert visit.statuses(2) == statuses


@pytest.mark.django_db(transaction=True)
def test_a_user_is_limited_wherever_they_are(visit: Visitor, django_user_model: Any) -> None:
    ann, bob = (session_of(django_user_model.objects.create_user(name)) for name in ("ann", "bob"))
    with routes(plain, rules={"api": {"rate": "2/d", "key": "user", "match": EVERYTHING}}):
        visit.cookies = {"sessionid": ann}
        assert [visit(ip=ip).status_code for ip in ("192.0.2.1", "192.0.2.2", "192.0.2.3")] == [200, 200, 429]
        visit.cookies = {"sessionid": bob}
        assert visit(ip="192.0.2.1").status_code == 200
        visit.cookies = {}
        assert visit.statuses(3) == [200] * 3


@pytest.mark.parametrize("lazy", [{}, {"x-lazy": "1"}], ids=["at once", "lazy"])
def test_a_user_is_who_a_middleware_says(visit: Visitor, lazy: dict[str, str]) -> None:
    stack = [SESSIONS, AUTH, f"{__name__}.by_token", OURS]
    with routes(plain, middleware=stack, rules={"api": {"rate": "1/d", "key": "user", "match": EVERYTHING}}):
        assert visit.statuses(2, headers={"x-token": "1"} | lazy) == [200, 429]
        assert visit.statuses(1, headers={"x-token": "2"} | lazy) == [200]


def session_of(user: Any) -> str:
    """Return the key of a session that *user* is logged in with."""
    session = login(user.pk)
    session.update({"_auth_user_hash": user.get_session_auth_hash()})
    session.save()
    return str(session.session_key)
