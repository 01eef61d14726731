"""Ways around a limit, and ways to shut others out, that other libraries have left open: each is tried here."""

import asyncio
import io
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import re_path
from hypothesis import example, given
from hypothesis import strategies as st

from django_redis_patterns.core import trace
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.ratelimit import keys, ratelimit
from django_redis_patterns.ratelimit.identity import tag
from django_redis_patterns.ratelimit.keys import Key, identify

from .site import HIT, Visitor, plain, routes, verbs

PROXY = "10.0.0.1"


async def _who(io: IO, request: HttpRequest, key: Key) -> Any:
    return await identify(io, request, key)


who, _ = both(_who)


def site(*views: Any, rate: str = "2/d", key: Any = "ip", **options: Any) -> Any:
    """Serve *views*, ``plain`` if there are none, limited by one rule."""
    rule = {"rate": rate, "key": key, "match": {"path": "/"}} | options
    return routes(*(views or [plain]), rules={"api": rule})


@pytest.fixture
def proxied(settings: Any) -> None:
    settings.REDIS_PATTERNS = {**settings.REDIS_PATTERNS, "TRUSTED_PROXIES": ["10.0.0.0/8"]}


def test_x_forwarded_for_of_a_client_means_nothing(visit: Visitor) -> None:
    with site():
        assert [visit(headers={"x-forwarded-for": f"6.6.6.{n}"}).status_code for n in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("proxies", ["", ", 10.0.0.2", ", 10.0.0.3, 10.0.0.2"])
def test_x_forwarded_for_has_one_client_behind_any_number_of_proxies(
    visit: Visitor, proxied: None, proxies: str
) -> None:
    with site():
        chains = [f"6.6.6.{n}, 198.51.100.1{proxies}" for n in range(3)]
        assert [visit(ip=PROXY, headers={"x-forwarded-for": chain}).status_code for chain in chains] == [200, 200, 429]


def test_past_the_proxy_x_forwarded_for_means_nothing(visit: Visitor, proxied: None) -> None:
    with site():
        headers = [{"x-forwarded-for": f"198.51.100.{n}"} for n in range(3)]
        assert [visit(ip="192.0.2.1", headers=one).status_code for one in headers] == [200, 200, 429]


@pytest.mark.parametrize("mapped", ["::ffff:192.0.2.{}", "64:ff9b::192.0.2.{}", "2002:c000:02{:02x}::1"])
def test_clients_in_disguise_are_told_apart(visit: Visitor, mapped: str) -> None:
    with site():
        assert [visit(ip=mapped.format(n)).status_code for n in (1, 2, 3, 1, 1)] == [200] * 4 + [429]


def test_a_client_and_its_mapped_address_are_one(visit: Visitor) -> None:
    with site():
        addresses = ["192.0.2.1", "::ffff:192.0.2.1", "64:ff9b::192.0.2.1"]
        assert [visit(ip=address).status_code for address in addresses] == [200, 200, 429]


def test_a_customer_s_billions_of_addresses_are_one(visit: Visitor) -> None:
    with site():
        assert [visit(ip=f"2001:db8:1:2::{n:x}").status_code for n in range(3)] == [200, 200, 429]
        assert visit(ip="2001:db8:1:3::1").status_code == 200


def test_nobody_is_one_client_with_everybody_over_a_unix_socket(visit: Visitor) -> None:
    with site():
        assert visit.statuses(4, ip="") == [200] * 4


def test_head_counts_as_get(visit: Visitor) -> None:
    with site(methods="GET"):
        assert [visit(method=method).status_code for method in ("get", "head", "head", "get")] == [200, 200, 429, 429]


def test_options_counts_as_itself(visit: Visitor) -> None:
    with site():
        assert visit.statuses(3, method="options") == [200, 200, 429]


PREFLIGHT = {"origin": "https://a.example", "access-control-request-method": "POST"}


def test_a_preflight_eats_nothing_of_the_quota(visit: Visitor) -> None:
    with site():
        assert visit.statuses(2, method="options", headers=PREFLIGHT) == [200, 200]
        assert visit.statuses(3) == [200, 200, 429]


def test_what_looks_like_a_preflight_is_no_way_around(visit: Visitor) -> None:
    """The view runs for it all the same: it is limited too, for itself."""
    with site():
        assert visit.statuses(3, method="options", headers=PREFLIGHT) == [200, 200, 429]


@pytest.mark.parametrize("missing", PREFLIGHT)
def test_half_a_preflight_is_none(visit: Visitor, missing: str) -> None:
    headers = {name: value for name, value in PREFLIGHT.items() if name != missing}
    with site():
        assert visit.statuses(2, method="options", headers=headers) == [200, 200]
        assert visit().status_code == 429


def test_a_method_in_a_header_means_nothing(visit: Visitor) -> None:
    with site(methods="POST"):
        override = {"x-http-method-override": "GET"}
        assert visit.statuses(3, method="post", headers=override) == [200, 200, 429]


@pytest.mark.parametrize("variants", [["/api/1/", "/api/2/", "/api/3/"], ["/api/1/", "/API/1/", "/Api/2/"]])
def test_no_spelling_of_a_path_is_a_bucket_of_its_own(visit: Visitor, variants: list[str]) -> None:
    book = re_path("(?i)^api/[0-9]+/?$", plain)
    with routes(book, rules={"api": {"rate": "2/d", "key": "ip", "match": {"path": "/api/"}}}):
        assert [visit(url).status_code for url in variants] == [200, 200, 429]


def test_no_spelling_of_a_path_escapes_a_match(visit: Visitor) -> None:
    book = re_path("(?i)^/*api/+[0-9]+/?$", plain)
    with routes(book, rules={"api": {"rate": "2/d", "key": "ip", "match": {"path": "/api/"}}}):
        urls = ["http://testserver//api/1/", "/api//1", "/API/1"]
        assert [visit(url).status_code for url in urls] == [200, 200, 429]


@pytest.mark.parametrize("url", ["/health/../0/", "/healthy/", "/HEALTH", "//health"])
def test_an_exempt_path_is_exempt_to_the_letter(visit: Visitor, url: str) -> None:
    everything = re_path("", plain)
    rules = {"api": {"rate": "1/d", "key": "ip", "match": {"path": "/"}}}
    with routes(everything, rules=rules, exempt_paths=["/health"]):
        assert visit.statuses(2, "/health") == [200, 200]
        assert visit.statuses(2, f"http://testserver{url}") == [200, 429]


AWKWARD = ["{a}", "{a}{b}", "a:b", "a\x00b", "a b", "é", "*", "%7Ba%7D", "x" * 1_000_000]


@pytest.mark.parametrize("value", AWKWARD, ids=lambda value: repr(value[:9]))
def test_a_header_may_hold_anything(visit: Visitor, bare_redis: Any, value: str) -> None:
    with site(key="header:X-Org"):
        assert visit.statuses(3, headers={"x-org": value}) == [200, 200, 429]
        assert visit(headers={"x-org": value + "x"}).status_code == 200
    assert all(len(key) < 200 and "X-Org" not in key for key in bare_redis.scan_iter("*"))


def test_a_header_that_is_left_out_is_no_way_around(visit: Visitor) -> None:
    with site(key=["ip", "header:X-Org"]):
        assert visit.statuses(3) == [200, 200, 429]
        assert visit(headers={"x-org": ""}).status_code == 200


@pytest.mark.parametrize("variant", ["ANN", " ann", "\uff41nn", "a\u0301nn"])
def test_a_field_has_one_spelling(visit: Visitor, variant: str) -> None:
    with site(key="post:username"):
        assert visit.statuses(2, method="post", data={"username": "ann"}) == [200, 200]
        assert visit(method="post", data={"username": variant}).status_code == 429
        assert visit(method="post", data={"username": "bob"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"garbage", "multipart/form-data; boundary=x"), (b"garbage", "multipart/form-data"), (b"\xff=\xff", "text/x")],
)
def test_a_body_that_cannot_be_read_is_counted_and_no_error(visit: Visitor, body: bytes, kind: str) -> None:
    with site(key="post:username"):
        assert visit.statuses(3, method="post", data=body, content_type=kind) == [200, 200, 429]


def test_a_body_that_breaks_off_is_counted() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError("the client is gone")

    request = RequestFactory().post("/", data=b"username=ann", content_type="application/x-www-form-urlencoded")
    request._stream = Broken()  # type: ignore[attr-defined]
    assert who(request, "post:username") == ("no post:username",)


def test_a_body_with_too_many_fields_is_counted(visit: Visitor, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 2
    with site(key="post:username"):
        assert visit.statuses(3, method="post", data=dict.fromkeys("abc", "x")) == [200, 200, 429]


def test_a_file_is_still_there_for_the_view(visit: Visitor) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.FILES["file"].read())

    with site(view, key="post:username"):
        data = {"username": "ann", "file": SimpleUploadedFile("a.txt", b"hello")}
        assert visit(method="post", data=data).content == b"hello"


def test_a_body_is_read_off_the_event_loop(visit: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    monkeypatch.setattr(keys, "_field", lambda request, name: threads.append(_is_on_a_loop()))
    with site(key="post:username"):
        assert visit(method="post", data={"username": "ann"}).status_code == 200
    assert threads == [False]


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def test_middleware_and_decorator_count_once(visit: Visitor, one_node: None) -> None:
    @ratelimit("2/d", key="ip", name="api")
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("answer")

    with routes(view), trace.record() as log:
        assert visit.statuses(3) == [200, 200, 429]
    assert verbs(log) == [HIT] * 3


def test_two_limits_whose_names_and_rates_run_together_are_two(visit: Visitor) -> None:
    """Elsewhere "api" with "110/m" and "api1" with "10/m" were one."""
    rules = {
        "api": {"rate": "12/d", "key": "ip", "match": {"path": "/0/"}},
        "api1": {"rate": "2/d", "key": "ip", "match": {"path": "/1/"}},
    }
    with routes(plain, plain, rules=rules):
        assert visit.statuses(3, "/1/") == [200, 200, 429]
        assert visit.statuses(12, "/0/") == [200] * 12


def test_another_rate_starts_afresh(visit: Visitor) -> None:
    with site(rate="2/d"):
        assert visit.statuses(3) == [200, 200, 429]
    with site(rate="3/d"):
        assert visit.statuses(4) == [200, 200, 200, 429]


def test_denied_requests_do_not_prolong_the_wait(visit: Visitor) -> None:
    with site(rate="2/d", algorithm="log"):
        visit.statuses(2)
        waits = [int(visit().headers["Retry-After"]) for _ in range(5)]
    assert waits == sorted(waits, reverse=True)


HEADERS = ["header:A", "header:B", "header:C"]
PARTS = st.lists(st.sampled_from(["ip", *HEADERS]), min_size=1, unique=True).map(tuple)
SENT = st.one_of(st.none(), st.sampled_from(["", "header:A", "no header:A", "header:B", "ip"]), st.text())
CLIENT = st.fixed_dictionaries(dict.fromkeys(HEADERS, SENT))


def request_with(sent: dict[str, str | None]) -> HttpRequest:
    request = RequestFactory().get("/")
    request.META |= {f"HTTP_{name[-1]}": value for name, value in sent.items() if value is not None}
    return request


def sent(**headers: str) -> dict[str, str | None]:
    return dict.fromkeys(HEADERS) | {f"header:{name}": value for name, value in headers.items()}


@given(PARTS, CLIENT, CLIENT)
@example(("header:A", "header:B"), sent(A="header:B"), sent(B="header:B"))
@example(("header:A", "header:B"), sent(A=""), sent())
def test_different_clients_of_a_rule_have_different_identities(key: Any, one: Any, other: Any) -> None:
    """Whatever stands in the headers, and whichever are left out."""
    is_same = all(one.get(part) == other.get(part) for part in key)
    assert (tag(who(request_with(one), key)) == tag(who(request_with(other), key))) == is_same


@pytest.mark.parametrize("answer", [None, 7, "seven", ("acme", 7)])
def test_a_callable_says_who_or_nobody(visit: Visitor, answer: Any) -> None:
    with site(key=lambda request: answer):
        assert visit.statuses(3) == ([200] * 3 if answer is None else [200, 200, 429])


@pytest.mark.parametrize("answer", [True, 1.5, [], object()])
def test_a_callable_that_says_nonsense_is_told(visit: Visitor, answer: Any) -> None:
    with site(key=lambda request: answer), pytest.raises(TypeError, match="no identity"):
        visit()


def test_no_personal_data_in_keys(visit: Visitor, bare_redis: Any) -> None:
    with site(key=["ip", "post:username"]):
        visit(method="post", ip="203.0.113.77", data={"username": "annabelle"})
    keys = " ".join(bare_redis.scan_iter("*"))
    assert "ratelimit" in keys
    assert "203.0.113.77" not in keys
    assert "annabelle" not in keys
