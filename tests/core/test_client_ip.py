"""Who is calling: what a proxy says is believed, what a client says is not, and nothing is a 500."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

from django_redis_patterns.conf import settings
from django_redis_patterns.core.client_ip import client_ip, client_network
from django_redis_patterns.exceptions import InvalidConfiguration

PROXY = "10.0.0.1"
Caller = Callable[..., Any]


def request(peer: str | None, *forwarded: str) -> Any:
    made = RequestFactory().get("/")
    made.META.pop("REMOTE_ADDR")
    if peer is not None:
        made.META["REMOTE_ADDR"] = peer
    if forwarded:
        made.META["HTTP_X_FORWARDED_FOR"] = ",".join(forwarded)
    return made


def scope(peer: str | None, *forwarded: str) -> Any:
    headers = [(b"x-forwarded-for", line.encode("latin-1", "replace")) for line in forwarded]
    return {"type": "websocket", "client": None if peer is None else [peer, 4711], "headers": headers}


@pytest.fixture(params=[request, scope], ids=["request", "scope"])
def caller(request: pytest.FixtureRequest) -> Caller:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def proxies(settings: Any) -> None:
    settings.REDIS_PATTERNS = {"TRUSTED_PROXIES": ["10.0.0.0/8", "2001:db8:ffff::/48"]}


def test_without_proxies_a_header_says_nothing(caller: Caller) -> None:
    assert client_ip(caller("192.0.2.7", "198.51.100.1")) == "192.0.2.7"


@pytest.mark.usefixtures("proxies")
@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),  # past the proxy: nobody to believe
        (PROXY, ["198.51.100.1"], "198.51.100.1"),
        (PROXY, ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),  # what the client wrote stands left
        (PROXY, ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),  # and so does a header line of its own
        (PROXY, ["6.6.6.6, 198.51.100.1, 10.0.0.9,10.3.4.5"], "198.51.100.1"),
        (PROXY, ["10.0.0.8, 10.0.0.9"], "10.0.0.8"),  # a client from inside
        (PROXY, [], PROXY),
        (PROXY, ["garbage"], PROXY),
        (PROXY, ["198.51.100.1, garbage"], PROXY),
        (PROXY, ["198.51.100.1, "], PROXY),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8:ffff::9", ["2001:db8::1"], "2001:db8::1"),
    ],
)
def test_proxies_are_believed_from_right_to_left(caller: Caller, peer: str, forwarded: list[str], client: str) -> None:
    assert client_ip(caller(peer, *forwarded)) == client


@pytest.mark.usefixtures("proxies")
@pytest.mark.parametrize(
    ("hop", "client"),
    [
        ("198.51.100.1:8080", "198.51.100.1"),
        ("[2001:db8::1]:8080", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ('"[2001:db8::1]:8080"', "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("[::ffff:c633:6401]:1", "198.51.100.1"),
        ("64:ff9b::198.51.100.1", "198.51.100.1"),
        ("2002:c633:6401::5", "198.51.100.1"),
    ],
)
def test_one_client_has_one_spelling(caller: Caller, hop: str, client: str) -> None:
    assert client_ip(caller(PROXY, hop)) == client


@pytest.mark.usefixtures("proxies")
@pytest.mark.parametrize("disguise", ["64:ff9b::10.0.0.1", "2002:0a00:0001::1"])
def test_an_address_that_embeds_a_proxys_is_no_proxy(caller: Caller, disguise: str) -> None:
    assert client_ip(caller(disguise, "6.6.6.6")) == PROXY  # its own word for itself, not 6.6.6.6


def test_clients_behind_mapped_addresses_have_a_bucket_each(caller: Caller) -> None:
    assert client_network(caller("::ffff:192.0.2.1")) == "192.0.2.1"
    assert client_network(caller("::ffff:192.0.2.2")) == "192.0.2.2"
    assert client_network(caller("64:ff9b::192.0.2.3")) == "192.0.2.3"
    assert client_network(caller("64:ff9b:1::192.0.2.4")) == "192.0.2.4"
    assert client_network(caller("::ffff:0:192.0.2.5")) == "192.0.2.5"
    assert client_network(caller("::192.0.2.6")) == "192.0.2.6"
    assert client_ip(caller("::1")) == "::1"


def test_a_customers_ipv6_network_is_one_client(caller: Caller) -> None:
    assert client_network(caller("2001:db8:1:2::1")) == client_network(caller("2001:db8:1:2:ffff::9"))
    assert client_network(caller("2001:db8:1:2::1")) != client_network(caller("2001:db8:1:3::1"))
    assert client_ip(caller("2001:db8:1:2::1")) == "2001:db8:1:2::1"
    with override_settings(REDIS_PATTERNS={"IPV6_PREFIX": 48}):
        assert client_network(caller("2001:db8:1:2::1")) == "2001:db8:1::/48"


@pytest.mark.parametrize("peer", [None, ""])
def test_nobody_is_known_over_a_unix_socket(caller: Caller, peer: str | None) -> None:
    """They would all be one client: None says that there is nobody to count."""
    assert client_ip(caller(peer, "198.51.100.1")) is None
    assert client_network(caller(peer)) is None


@pytest.mark.parametrize("peer", [None, ""])
def test_a_unix_socket_may_be_trusted(caller: Caller, peer: str | None) -> None:
    with override_settings(REDIS_PATTERNS={"TRUSTED_PROXIES": ["unix", PROXY]}):
        assert client_ip(caller(peer, "6.6.6.6, 198.51.100.1, 10.0.0.1")) == "198.51.100.1"
        assert client_ip(caller(peer, "garbage")) is None
        assert client_ip(caller("testclient", "198.51.100.1")) is None
        assert client_ip(caller("192.0.2.7", "198.51.100.1")) == "192.0.2.7"


ADDRESS = st.ip_addresses().map(str)
GARBAGE = st.one_of(st.text(), st.text('[]:%,./ "0123456789abcdefxunix\x00'), ADDRESS)


@pytest.mark.usefixtures("proxies")
@given(peer=st.one_of(st.none(), st.just(PROXY), GARBAGE), forwarded=st.lists(GARBAGE, max_size=5))
def test_nothing_that_is_sent_is_an_error(peer: str | None, forwarded: list[str]) -> None:
    for made in (request(peer, *forwarded), scope(peer, *forwarded)):
        assert (client_ip(made) is None) == (client_network(made) is None)


@pytest.mark.usefixtures("proxies")
@given(written=st.lists(GARBAGE, max_size=5), true=st.ip_addresses(v=4, network="192.0.2.0/24").map(str))
def test_whatever_a_client_writes_it_stays_who_it_is(written: list[str], true: str) -> None:
    assert client_ip(request(PROXY, *written, true)) == true
    assert client_ip(request(true, *written)) == true


def test_a_long_header_is_read_no_further_than_needed() -> None:
    with override_settings(REDIS_PATTERNS={"TRUSTED_PROXIES": [PROXY]}):
        assert client_ip(request(PROXY, "x," * 500_000, "198.51.100.1")) == "198.51.100.1"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"TRUSTED_PROXIES": ["10.0.0.1/8"]}, "TRUSTED_PROXIES has '10.0.0.1/8': the network is '10.0.0.0/8'"),
        ({"TRUSTED_PROXIES": ["proxy"]}, "TRUSTED_PROXIES has 'proxy': write an address or a network"),
        ({"TRUSTED_PROXIES": [10]}, "TRUSTED_PROXIES has 10: write an address"),
        ({"TRUSTED_PROXIES": "10.0.0.0/8"}, "TRUSTED_PROXIES must be tuple"),
        ({"IPV6_PREFIX": 0}, "IPV6_PREFIX must be at least 1"),
        ({"IPV6_PREFIX": 129}, "IPV6_PREFIX must be at most 128"),
    ],
)
def test_a_mistake_in_the_settings_is_named(given: dict[str, Any], message: str) -> None:
    with override_settings(REDIS_PATTERNS=given), pytest.raises(InvalidConfiguration, match=message.replace("'", ".")):
        settings()
