"""What a client is told: the form of a refusal, and the headers."""

import json
import re
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

from django_redis_patterns.ratelimit import Decision, Quota, Rate, ratelimit
from django_redis_patterns.ratelimit.responses import headers, preferred, refusal, said

from .site import Visitor, plain, routes

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PROBLEM, JSON, HTML, TEXT = "application/problem+json", "application/json", "text/html", "text/plain"


def limited(visit: Visitor, **given: Any) -> Any:
    """Return the refusal of a view of one request a day."""

    @ratelimit("1/d", key="ip", name="api", algorithm="log")
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("answer")

    with routes(view):
        return [visit(**given) for _ in range(2)][1]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (BROWSER, HTML),
        (None, PROBLEM),
        ("*/*", PROBLEM),
        ("application/json", JSON),
        ("application/problem+json", PROBLEM),
        ("application/*", PROBLEM),
        ("text/html;q=0.5, application/json", JSON),
        ("text/html;q=0.5, application/json;q=0.4", HTML),
        ("application/json;q=0, text/*", HTML),
        ("text/plain", TEXT),
        ("image/png", TEXT),
        ("", TEXT),
        ("text/html; a*=nope''x%41", TEXT),
    ],
)
def test_accept_decides_the_form(accept: str | None, kind: str) -> None:
    assert preferred(RequestFactory().get("/", headers={} if accept is None else {"accept": accept})) == kind


@given(st.text(st.characters(max_codepoint=255)))
def test_no_accept_is_an_error(accept: str) -> None:
    assert preferred(RequestFactory().get("/", headers={"accept": accept})) in (PROBLEM, JSON, HTML, TEXT)


def test_a_problem(visit: Visitor) -> None:
    response = limited(visit)
    assert (response.status_code, response.headers["Content-Type"]) == (429, PROBLEM)
    assert json.loads(response.content) == {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Too many requests",
        "status": 429,
        "detail": "Try again in 24 hours.",
        "violated-policies": ["api"],
    }


def test_a_page(visit: Visitor) -> None:
    response = limited(visit, headers={"accept": BROWSER})
    assert response.headers["Content-Type"] == HTML
    assert "It works again in <strong>24 hours</strong>" in response.content.decode()


def test_a_page_of_the_site(visit: Visitor) -> None:
    template = "{{ title }}: wait {{ wait }}, {{ retry_after }} seconds."
    loaders = [("django.template.loaders.locmem.Loader", {"429.html": template})]
    django = {"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": loaders}}
    with override_settings(TEMPLATES=[django]):
        response = limited(visit, headers={"accept": BROWSER})
    assert re.fullmatch(r"Too many requests: wait 24 hours, 8\d{4} seconds\.", response.content.decode())


def test_a_line_of_text(visit: Visitor) -> None:
    assert limited(visit, headers={"accept": "text/plain"}).content == b"Too many requests. Try again in 24 hours.\n"


def test_a_refusal_says_when_to_come_back_and_is_never_stored(visit: Visitor) -> None:
    response = limited(visit)
    assert 86000 < int(response.headers["Retry-After"]) <= 86400
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Vary"] == "Accept"


def test_a_refusal_has_no_earlier_time_than_its_limit(visit: Visitor) -> None:
    """draft-ietf-httpapi-ratelimit-headers-10: Retry-After is not before the end of t."""
    response = limited(visit)
    (left,) = re.findall(r"t=(\d+)", response.headers["RateLimit"])
    assert int(response.headers["Retry-After"]) >= int(left)


def test_every_limited_answer_tells_its_limits(visit: Visitor) -> None:
    rules = {"api": {"rates": ["5/m", "100/d"], "key": "ip", "match": {"path": "/"}}}
    with routes(plain, rules=rules | {"all": {"rate": "9/h", "key": "ip", "match": {"path": "/"}}}):
        response = visit()
    assert response.headers["RateLimit-Policy"] == '"api:5/m";q=5;w=60, "api:100/d";q=100;w=86400, "all";q=9;w=3600'
    left = r'"api:5/m";r=4;t=\d+, "api:100/d";r=99;t=\d+, "all";r=8;t=\d+'
    assert re.fullmatch(left, response.headers["RateLimit"])


def test_a_page_of_another_origin_may_read_it(visit: Visitor) -> None:
    exposed = "RateLimit, RateLimit-Policy, Retry-After"
    assert limited(visit, headers={"origin": "https://a.example"}).headers["Access-Control-Expose-Headers"] == exposed
    assert "Access-Control-Expose-Headers" not in limited(visit).headers


def test_what_is_exposed_already_stays_so(visit: Visitor) -> None:
    @ratelimit("5/d", key="ip")
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("answer", headers={"Access-Control-Expose-Headers": "X-Mine"})

    with routes(view):
        exposed = visit(headers={"origin": "https://a.example"}).headers["Access-Control-Expose-Headers"]
    assert exposed == "X-Mine, RateLimit, RateLimit-Policy, Retry-After"


@pytest.mark.parametrize(("name", "told"), [('a "b" \\c', '"a \\"b\\" \\\\c"'), ("käse\r\nSet-Cookie: x", '"k?se??')])
def test_a_name_is_told_as_a_string_whatever_it_holds(visit: Visitor, name: str, told: str) -> None:
    with routes(plain, rules={name: {"rate": "9/h", "key": "ip", "match": {"path": "/"}}}):
        assert visit().headers["RateLimit"].startswith(told)


def test_a_closed_rule_without_redis_is_503(visit: Visitor, settings: Any) -> None:
    settings.REDIS_PATTERNS = {"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}}
    rules = {"api": {"rate": "9/h", "key": "ip", "match": {"path": "/"}}}
    with routes(plain, rules=rules, on_unavailable="closed"):
        response = visit()
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert json.loads(response.content) == {
        "type": "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
        "title": "Service unavailable",
        "status": 503,
        "detail": "Try again in 1 second.",
    }


def test_an_open_rule_without_redis_says_nothing(visit: Visitor, settings: Any) -> None:
    settings.REDIS_PATTERNS = {"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}}
    with routes(plain, rules={"api": {"rate": "9/h", "key": "ip", "match": {"path": "/"}}}):
        response = visit()
    assert response.status_code == 200
    assert "RateLimit" not in response.headers


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1 second"),
        (2, "2 seconds"),
        (119, "119 seconds"),
        (121, "3 minutes"),
        (86400, "24 hours"),
        (200_000, "3 days"),
    ],
)
def test_a_wait_is_said_in_words_and_never_too_short(seconds: int, text: str) -> None:
    assert said(seconds) == text


def denial(name: str, retry: float) -> Decision:
    quota = Quota(Rate.parse("5/m"), 5, 0, 60.0, retry)
    return Decision(False, name, 5, 0, 60.0, retry, (quota,), exceeded=True)


def test_a_denied_limit_tells_when_it_admits_again_and_not_when_it_is_whole() -> None:
    told = headers(RequestFactory().get("/"), [denial("a", 3.2)])
    assert told == {"RateLimit-Policy": '"a";q=5;w=60', "RateLimit": '"a";r=0;t=4'}


def test_nobody_is_told_to_come_back_at_once() -> None:
    assert refusal(RequestFactory().get("/"), [denial("a", 0.0)]).headers["Retry-After"] == "1"


def test_the_longest_wait_counts() -> None:
    request = RequestFactory().get("/")
    response = refusal(request, [denial("a", 3.2), denial("b", 7.1)])
    assert response.headers["Retry-After"] == "8"
    assert json.loads(response.content)["violated-policies"] == ["a", "b"]
