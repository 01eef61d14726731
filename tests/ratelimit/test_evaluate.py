"""All charges of a request together: all of them or none, in one trip."""

import threading
import time
from typing import Any

import pytest
import redis
from django.test import override_settings

from django_redis_patterns.core import trace
from django_redis_patterns.core.operations import batch
from django_redis_patterns.ratelimit import Rate
from django_redis_patterns.ratelimit.evaluate import Charge, evaluate, give_back, look
from django_redis_patterns.ratelimit.rules import ALGORITHMS, US, Algorithm, Rule
from django_redis_patterns.testing.fixtures import Face
from tests.ratelimit.judge import Admission, busiest, stamp

IP, USER = ("ip", "192.0.2.7"), ("user", "7")


def rule(name: str, *rates: str, **options: Any) -> Rule:
    return Rule(name=name, rates=tuple(map(Rate.parse, rates)), **options)


def remaining(*charges: Charge) -> list[int]:
    return [decision.remaining for decision in look(charges)]


every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


@every_algorithm
def test_rules_of_one_identity_are_one_script(algorithm: Algorithm, face: Face) -> None:
    """Charged all or none: what one denies, no other takes."""
    many, few = rule("many", "9/d", algorithm=algorithm), rule("few", "2/d", "5/w")
    charges = [Charge(many, IP), Charge(few, IP)]
    for _ in range(2):
        assert all(face(evaluate, charges))
    with trace.record() as log:
        decisions = face(evaluate, charges)
    assert (log.trips, len(log.commands)) == (1, 1)
    assert [bool(decision) for decision in decisions] == [True, False]
    assert [decision.remaining for decision in decisions] == [7, 0]
    assert [quota.remaining for quota in decisions[1].quotas] == [0, 3]
    assert remaining(*charges) == [7, 0]


def test_rules_of_three_identities_are_one_trip(face: Face, one_node: None) -> None:
    """A script for each, in one pipeline."""
    charges = [Charge(rule("ip", "9/d"), IP), Charge(rule("user", "8/d"), USER), Charge(rule("all", "7/d"), "all")]
    face(evaluate, charges)
    with trace.record() as log:
        decisions = face(evaluate, charges)
    assert (log.trips, [told.command.split()[1] for told in log.commands]) == (1, ["decide.lua"] * 3)
    assert [decision.remaining for decision in decisions] == [7, 6, 5]
    with trace.record() as log, batch() as together:
        together(evaluate, charges)
        together(look, charges)
    assert log.trips == 1


@every_algorithm
def test_what_another_identity_is_denied_is_given_back(algorithm: Algorithm, face: Face) -> None:
    """In a second trip; the decisions tell what is left after it."""
    many, few = rule("many", "9/d", "99/w", algorithm=algorithm), rule("few", "1/d", algorithm=algorithm)
    charges = [Charge(many, IP, 3), Charge(few, USER), Charge(many, "all")]
    assert all(face(evaluate, charges))
    before = remaining(*charges)
    assert before == [6, 0, 8]
    with trace.record() as log:
        decisions = face(evaluate, charges)
    assert [bool(decision) for decision in decisions] == [True, False, True]
    assert [decision.remaining for decision in decisions] == remaining(*charges) == before
    sent = [told.command.split() for told in log.commands]
    assert [words[1] for words in sent if words[0] == "EVALSHA"] == ["decide.lua"] * 3 + ["refund.lua"] * 2
    give_back(decisions)
    assert remaining(*charges) == before


def test_a_request_that_is_denied_already_costs_nothing(face: Face) -> None:
    """Nothing is sent, nothing is charged, and only who denied it is told of."""
    many, few = rule("many", "9/d"), rule("few", "1/d")
    charges = [Charge(many, IP), Charge(few, USER)]
    for _ in range(2):
        face(evaluate, charges)
    with trace.record() as log:
        (decision,) = face(evaluate, charges)
    assert log.trips == 0
    assert (decision.rule, bool(decision), decision.exceeded) == ("few", False, True)
    assert remaining(*charges) == [8, 0]


def test_shadow_rules_count_for_themselves(face: Face) -> None:
    """They deny nobody, not even each other; and like all rules they are not charged for what is denied."""
    strict, shadow = rule("strict", "3/d"), rule("shadow", "1/d", "9/w", shadow=True)
    other = rule("other", "2/d", shadow=True)
    charges = [Charge(strict, IP), Charge(shadow, IP), Charge(other, IP), Charge(other, USER)]
    told = [face(evaluate, charges) for _ in range(4)]
    assert [[bool(decision) for decision in decisions] for decisions in told] == [[True] * 4] * 3 + [
        [False, True, True, True]
    ]
    assert [[decision.exceeded for decision in decisions] for decisions in told] == [
        [False, False, False, False],
        [False, True, False, False],
        [False, True, True, True],
        [True, True, True, True],
    ]
    assert remaining(*charges) == [0, 0, 0, 0]
    assert look(charges)[1].quotas[1].remaining == 8


def test_one_rule_twice_is_charged_twice(face: Face) -> None:
    """For the same identity: both costs count, together; each can be given back alone."""
    api = rule("api", "5/d")
    decisions = face(evaluate, [Charge(api, IP), Charge(api, IP, 2)])
    assert [decision.remaining for decision in decisions] == [2, 2]
    assert not any(face(evaluate, [Charge(api, IP), Charge(api, IP, 2)]))
    give_back(decisions[1:])
    assert remaining(Charge(api, IP)) == [4]


def test_two_that_do_not_fit_together_may_fit_alone(face: Face) -> None:
    """What is remembered is that both were too much."""
    api = rule("api", "2/d")
    assert not any(face(evaluate, [Charge(api, IP), Charge(api, IP, 2)]))
    assert face(evaluate, [Charge(api, IP)])[0]


def test_a_rule_and_its_shadow_count_together(face: Face) -> None:
    """On one counter, and the rule decides for all."""
    shadow, strict, other = rule("api", "1/d", shadow=True), rule("api", "1/d"), rule("other", "9/d")
    for pair in ([shadow, strict], [strict, shadow]):
        decisions = face(evaluate, [Charge(one, IP) for one in [*pair, other]])
        assert sorted(map(bool, decisions[:2])) == [False, True]
        assert remaining(Charge(other, IP)) == [9]


def test_nothing_to_charge(face: Face) -> None:
    """Is no trip."""
    with trace.record() as log:
        assert face(evaluate, []) == face(look, []) == []
        face(give_back, [])
    assert log.trips == 0


def test_charges_on_two_connections(face: Face, redis_server: Any) -> None:
    """Each rule counts on its own."""
    connections = {"default": redis_server.url, "other": redis_server.url.replace("/0", "/1")}
    if face.way == "async":
        pytest.skip("the clients of other settings would be left open")
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": connections}):
        charges = [Charge(rule("a", "5/d"), IP), Charge(rule("a", "5/d", connection="other"), IP)]
        assert [decision.remaining for decision in face(evaluate, charges)] == [4, 4]
        with redis.Redis.from_url(connections["other"], protocol=2) as other:
            assert other.dbsize() == 1
            other.flushdb()


def test_all_or_none_under_fire(bare_redis: redis.Redis) -> None:
    """Sixteen threads, three identities, limits that deny in turn: none is exceeded, what is denied takes nothing."""
    rules = [rule("ip", "30/s", "50/2s", algorithm="log"), rule("user", "20/s", algorithm="log"), rule("all", "40/2s")]
    charges = [Charge(one, who) for one, who in zip(rules, (IP, USER, "all"), strict=True)]
    admitted: list[list[int]] = []
    end = time.monotonic() + 2.2

    def hit() -> None:
        while time.monotonic() < end:
            decisions = evaluate(charges)
            if len(decisions) == 3 and all(decision and decision.receipt for decision in decisions):
                admitted.append([stamp(decision) for decision in decisions])

    threads = [threading.Thread(target=hit) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    by_ip, by_user, by_all = ([Admission(at, 1) for at in stamps] for stamps in zip(*admitted, strict=True))
    assert busiest(by_ip, 2 * US) <= 50
    assert busiest(by_user, US) <= 20
    assert busiest(by_all, 2 * US) <= 40
    charged = [int(stamp) for key in bare_redis.scan_iter("*:user:*") for stamp in bare_redis.lrange(key, 0, -1)]
    assert {*charged} <= {admission.at for admission in by_user}
