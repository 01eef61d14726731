"""Redis away, slow, full, or not letting us in: what a rule says then, and what it never says."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.test import override_settings

from django_redis_patterns.core.connections import client
from django_redis_patterns.core.connections.breaker import breaker
from django_redis_patterns.core.trace import counters
from django_redis_patterns.exceptions import RedisDenied, RedisUnavailable
from django_redis_patterns.ratelimit import Limiter, Rate, outage
from django_redis_patterns.ratelimit.evaluate import Charge, evaluate
from django_redis_patterns.ratelimit.rules import Rule
from django_redis_patterns.testing.proxy import FaultProxy
from django_redis_patterns.testing.servers import RedisServer
from tests.core.desks import connected

open_one = Limiter("front", "2/d")
closed_one = Limiter("login", "2/d", on_unavailable="closed")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[FaultProxy]:
    breaker.cache_clear()
    with FaultProxy(server.port) as proxy, connected(URL=proxy.url, TIMEOUT=0.25, CONNECT_TIMEOUT=0.2):
        yield proxy
    breaker.cache_clear()


def away(proxy: FaultProxy) -> None:
    proxy.refuse()
    proxy.reset()


def back(proxy: FaultProxy) -> None:
    proxy.heal()
    breaker.cache_clear()


def test_a_rule_is_open_or_closed(proxy: FaultProxy) -> None:
    """As it says; the decision tells that nobody has counted."""
    away(proxy)
    let_in, denied = open_one.hit("ann"), closed_one.hit("ann")
    assert (bool(let_in), let_in.unavailable, let_in.exceeded, let_in.retry_after) == (True, True, False, 0.0)
    assert (bool(denied), denied.unavailable, denied.exceeded) == (False, True, False)
    assert denied.retry_after > 0
    assert let_in.quotas == denied.quotas == ()
    back(proxy)
    assert not open_one.hit("ann").unavailable
    assert closed_one.hit("ann").remaining == 1


def test_the_settings_say_it_for_all(proxy: FaultProxy) -> None:
    """Unless a rule says it itself."""
    connection = {"URL": proxy.url, "CONNECT_TIMEOUT": 0.2}
    patterns = {"CONNECTIONS": {"default": connection}, "RATELIMIT": {"ON_UNAVAILABLE": "closed"}}
    with override_settings(REDIS_PATTERNS=patterns):
        away(proxy)
        assert not open_one.hit("ann")
        assert Limiter("front", "2/d", on_unavailable="open").hit("ann")


def test_an_outage_is_not_remembered_as_a_denial(proxy: FaultProxy) -> None:
    """When Redis is back, who was shut out is let in."""
    away(proxy)
    assert not closed_one.hit("ann")
    back(proxy)
    assert closed_one.hit("ann")


def test_one_line_for_each_change(proxy: FaultProxy, caplog: pytest.LogCaptureFixture) -> None:
    """A rule tells when it stops counting and when it counts again, however many requests come meanwhile."""
    before = counters().get("ratelimit.unavailable", 0)
    with caplog.at_level(logging.WARNING, "django_redis_patterns.ratelimit"):
        away(proxy)
        for who in ("ann", "bob", "cid"):
            open_one.hit(who)
            closed_one.hit(who)
        back(proxy)
        for who in ("ann", "bob"):
            open_one.hit(who)
            closed_one.hit(who)
    told = [record.getMessage() for record in caplog.records if record.name == "django_redis_patterns.ratelimit"]
    assert [line.split(". ")[0] for line in told] == [
        "Rate limit 'front' cannot count and is open: everything passes",
        "Rate limit 'login' cannot count and is closed: nothing passes",
        "Rate limit 'front' counts again.",
        "Rate limit 'login' counts again.",
    ]
    assert counters()["ratelimit.unavailable"] - before == 6


def test_who_asks_otherwise_is_told(proxy: FaultProxy) -> None:
    """Policies are for hits: to look, forget and give back are errors when nobody answers."""
    decision = open_one.hit("ann")
    away(proxy)
    for act, argument in ((open_one.peek, "ann"), (open_one.reset, "ann"), (open_one.refund, decision)):
        with pytest.raises(RedisUnavailable):
            act(argument)  # type: ignore[operator]
    back(proxy)
    open_one.refund(decision)  # which provably was not given back
    assert open_one.peek("ann").remaining == 2


def test_a_hit_whose_reply_is_lost_is_charged_once(proxy: FaultProxy) -> None:
    """It is not sent again: what follows is up to the rule."""
    open_one.hit("ann")
    proxy.cut_reply()
    decision = open_one.hit("ann")
    assert decision
    assert decision.unavailable
    assert open_one.peek("ann").remaining == 0
    closed_one.hit("ann")
    proxy.cut_reply()
    assert not closed_one.hit("ann")
    assert closed_one.peek("ann").remaining == 0


def test_a_refund_whose_reply_is_lost_is_not_tried_again(proxy: FaultProxy) -> None:
    """It may have been given back, and to give it back twice would let somebody in."""
    open_one.refund(open_one.hit("ann"))
    first, second = open_one.hit("ann"), open_one.hit("ann")
    proxy.cut_reply()
    with pytest.raises(RedisUnavailable) as caught:
        open_one.refund(first)
    assert caught.value.ambiguous
    open_one.refund(first)
    assert open_one.peek("ann").remaining == 1
    open_one.refund(second)
    assert open_one.peek("ann").remaining == 2


def test_charges_that_only_some_could_count(proxy: FaultProxy, server: RedisServer) -> None:
    """Each by its own rule; what was charged is given back when another one is closed."""
    connections = {"default": server.url, "gone": {"URL": "redis://127.0.0.1:1", "CONNECT_TIMEOUT": 0.1}}
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": connections}):
        rates = (Rate.parse("5/d"),)
        here = Charge(Rule(name="here", rates=rates), "ann")
        for policy, allowed, left in (("open", True, 4), ("closed", False, 4)):
            gone = Rule(name=policy, rates=rates, connection="gone", on_unavailable=policy)
            decisions = evaluate([here, Charge(gone, "ann")])
            assert [bool(decision) for decision in decisions] == [True, allowed]
            assert Limiter.of(here.rule).peek("ann").remaining == left


def test_a_denial_stands_when_the_rest_cannot_be_given_back(proxy: FaultProxy) -> None:
    """It stays charged, and the decisions tell so."""
    charges = [Charge(open_one.declared, "ann"), Charge(closed_one.declared, "bob")]
    closed_one.refund(closed_one.hit("bob"))
    closed_one.hit("bob", 2)
    proxy.cut_reply(3)
    decisions = evaluate(charges)
    assert [bool(decision) for decision in decisions] == [True, False]
    assert decisions[0].remaining == 1
    proxy.heal()
    assert evaluate(charges)[0].rule == "login"


def test_wrong_credentials_are_never_open(server: RedisServer, proxy: FaultProxy) -> None:
    """They are a mistake, not an outage, on every face, for one identity and for several."""
    open_one.hit("ann")
    admin: Any = redis.Redis.from_url(server.url, protocol=2)
    admin.acl_setuser("default", enabled=True, passwords=["+new"], reset_passwords=True, commands=["+@all"])
    proxy.reset()
    charges = [Charge(open_one.declared, who) for who in ("ann", "bob", "cid")]
    for act in (lambda: open_one.hit("ann"), lambda: evaluate(charges), lambda: asyncio.run(open_one.ahit("ann"))):
        with pytest.raises(RedisDenied):
            act()
    admin.close()


def test_a_full_redis_is_an_outage(server: RedisServer, proxy: FaultProxy) -> None:
    """It can still tell who was denied, and forget."""
    closed_one.hit("ann", 2)
    with server.client() as admin:
        admin.config_set("maxmemory", 1)
        assert closed_one.hit("bob").unavailable
        assert open_one.hit("bob").unavailable
        assert closed_one.hit("ann").exceeded
        closed_one.reset("ann")
        admin.config_set("maxmemory", 0)
    assert closed_one.hit("ann")


def test_a_flood_that_takes_all_connections_opens_nothing(server: RedisServer) -> None:
    """Open is for outages, and this is none: it is what a limit is there for."""
    with connected(URL=server.url, MAX_CONNECTIONS=1, CONNECT_TIMEOUT=0.1):
        pool: Any = client().connection_pool  # type: ignore[union-attr]
        taken = pool.get_connection()
        decision = open_one.hit("ann")
        assert (decision.allowed, decision.unavailable) == (False, True)
        assert decision.retry_after == 1.0
        pool.release(taken)
        assert open_one.hit("ann").remaining == 1


def test_an_outage_that_comes_and_goes_floods_no_log(
    proxy: FaultProxy, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its beginning and its end are told; then nothing more for ten seconds, and then what is going on."""
    limiter = Limiter("front", "99/d")

    def flap() -> list[str]:
        caplog.clear()
        for turn in (away, back) * 3:
            turn(proxy)
            assert limiter.hit("ann").unavailable is (turn is away)
        return [record.message.partition(".")[0] for record in caplog.records if "Rate limit" in record.message]

    told = ["Rate limit 'front' cannot count and is open: everything passes", "Rate limit 'front' counts again"]
    assert flap() == told
    assert flap() == []
    away(proxy)
    limiter.hit("ann")
    caplog.clear()
    monkeypatch.setattr(outage, "QUIET", 0.0)
    limiter.hit("ann")
    assert len(caplog.records) == 1
    back(proxy)
    limiter.hit("ann")
    assert flap() == told * 3
