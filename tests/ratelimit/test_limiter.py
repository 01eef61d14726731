"""What one limiter does, through every face and by every algorithm."""

import asyncio
import time
from typing import Any
from uuid import UUID

import pytest
import redis
from django.core.exceptions import SynchronousOnlyOperation

from django_redis_patterns.core import trace
from django_redis_patterns.core.operations import batch
from django_redis_patterns.ratelimit import Decision, Limiter, Quota, Rate
from django_redis_patterns.ratelimit.rules import ALGORITHMS
from django_redis_patterns.testing.fixtures import Face

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)
DAY = 86400


@every_algorithm
def test_the_limit_and_no_more(algorithm: Any, face: Face) -> None:
    """A decision is true or false, and says what is left."""
    limiter = Limiter("login", "5/d", algorithm=algorithm)
    decisions = [face(limiter.hit, "ann") for _ in range(8)]
    assert [bool(decision) for decision in decisions] == [True] * 5 + [False] * 3
    assert [decision.remaining for decision in decisions] == [4, 3, 2, 1, 0, 0, 0, 0]
    assert {(decision.rule, decision.limit) for decision in decisions} == {("login", 5)}
    assert [decision.exceeded for decision in decisions] == [False] * 5 + [True] * 3
    assert all(decision.retry_after == 0.0 for decision in decisions[:5])
    assert all(0 < decision.retry_after <= decision.reset_after <= 61 / 60 * DAY for decision in decisions[5:])
    assert bool(face(limiter.hit, "bob"))


@every_algorithm
def test_a_cost_fits_whole_or_not_at_all(algorithm: Any, face: Face) -> None:
    """What does not fit takes nothing, and what is smaller still fits."""
    limiter = Limiter("upload", "10/d", algorithm=algorithm)
    assert face(limiter.hit, "ann", 7).remaining == 3
    assert not face(limiter.hit, "ann", 4)
    assert face(limiter.hit, "ann", 3).remaining == 0


@every_algorithm
@pytest.mark.parametrize("cost", [11, 10**6, 2**70])
def test_a_cost_beyond_the_limit_never_fits(algorithm: Any, cost: int, bare_redis: redis.Redis) -> None:
    """It is a denial like others, to come back in a whole period; nothing is written, and nothing is broken."""
    decision = Limiter("upload", "10/d", algorithm=algorithm).hit("ann", cost)
    assert (bool(decision), decision.remaining, decision.retry_after, decision.reset_after) == (False, 10, DAY, DAY)
    assert bare_redis.dbsize() == 0


@pytest.mark.parametrize("cost", [0, -1, 1.5, True, "1", None])
def test_no_cost(cost: Any) -> None:
    """Only whole numbers from 1."""
    with pytest.raises(ValueError, match="A cost is a whole number from 1"):
        Limiter("login", "5/d").hit("ann", cost)


@every_algorithm
def test_peek_takes_nothing(algorithm: Any, face: Face, bare_redis: redis.Redis) -> None:
    """It says what a hit of that cost would be told."""
    limiter = Limiter("login", "5/d", algorithm=algorithm)
    assert face(limiter.peek, "ann") == Decision(True, "login", 5, 5, 0.0, 0.0, (Quota(Rate(5, DAY), 5, 5, 0.0, 0.0),))
    assert bare_redis.dbsize() == 0
    face(limiter.hit, "ann", 4)
    assert [bool(face(limiter.peek, "ann", cost)) for cost in (1, 2)] == [True, False]
    assert face(limiter.peek, "ann").remaining == 1
    assert face(limiter.peek, "ann", 2).retry_after > 0


@every_algorithm
def test_reset_forgets_one_identity(algorithm: Any, face: Face) -> None:
    """Also what this process remembers of a denial."""
    limiter = Limiter("login", "1/h", "2/d", algorithm=algorithm)
    for who in ("ann", "ann", "bob"):
        face(limiter.hit, who)
    face(limiter.reset, "ann")
    assert face(limiter.peek, "ann").quotas[1].remaining == 2
    assert face(limiter.hit, "ann")
    assert not face(limiter.hit, "bob")


@every_algorithm
def test_a_refund_gives_back_once(algorithm: Any, face: Face) -> None:
    """A second one changes nothing, nor does that of a denial; a denied client is let in at once."""
    limiter = Limiter("login", "2/d", algorithm=algorithm)
    first, second, denied = (face(limiter.hit, "ann") for _ in range(3))
    assert (bool(first), bool(second), bool(denied)) == (True, True, False)
    face(limiter.refund, denied)
    assert face(limiter.peek, "ann").remaining == 0
    face(limiter.refund, first)
    face(limiter.refund, first)
    assert face(limiter.peek, "ann").remaining == 1
    assert face(limiter.hit, "ann")


@every_algorithm
def test_a_refund_of_what_is_gone(algorithm: Any, bare_redis: redis.Redis) -> None:
    """Leaves no key behind."""
    limiter = Limiter("login", "2/d", algorithm=algorithm)
    decision = limiter.hit("ann")
    limiter.reset("ann")
    limiter.refund(decision)
    assert bare_redis.dbsize() == 0


@every_algorithm
def test_several_rates_hold_together(algorithm: Any, face: Face) -> None:
    """What the second denies is not taken from the first; the decision tells of the tightest."""
    limiter = Limiter("api", "10/h", "3/d", algorithm=algorithm)
    for _ in range(3):
        assert face(limiter.hit, "ann")
    denied = face(limiter.hit, "ann")
    assert not denied
    assert (denied.limit, denied.remaining) == (3, 0)
    assert [(quota.rate, quota.remaining) for quota in denied.quotas] == [(Rate(10, 3600), 7), (Rate(3, DAY), 0)]
    assert [quota.retry_after > 0 for quota in denied.quotas] == [False, True]


def test_a_bucket_lets_a_burst_in_and_refills_steadily() -> None:
    """By real time: two a second are one in half a second."""
    limiter = Limiter("burst", "2/s", algorithm="bucket", burst=3)
    decisions = [limiter.hit("ann") for _ in range(4)]
    assert [bool(decision) for decision in decisions] == [True] * 3 + [False]
    assert decisions[0].limit == 3
    assert 0 < decisions[3].retry_after <= 0.5
    time.sleep(decisions[3].retry_after)
    assert limiter.hit("ann")


@every_algorithm
def test_who_was_denied_is_let_in_when_he_was_told(algorithm: Any) -> None:
    """By real time, and not before."""
    limiter = Limiter("short", "2/s", algorithm=algorithm)
    while not (decision := limiter.hit("ann", 2)):  # at the beginning of a fixed window
        pass
    while decision := limiter.hit("ann"):
        pass
    assert 0 < decision.retry_after <= 61 / 60 + 0.001
    assert not limiter.peek("ann")
    time.sleep(decision.retry_after)
    assert limiter.hit("ann")


@every_algorithm
def test_wait_waits_until_it_fits(algorithm: Any, face: Face) -> None:
    """And says at once when it will not fit in time, or never."""
    limiter = Limiter("short", "20/s", algorithm=algorithm)
    if face.way == "batch":
        assert face(limiter.wait, "ann")
        return
    for _ in range(22):
        assert face(limiter.wait, "ann", 1, 2.5)
    slow = Limiter("slow", "1/d", algorithm=algorithm)
    assert face(slow.wait, "ann")
    assert not face(slow.wait, "ann", 1, 5)
    assert not face(slow.wait, "bob", 2, 10 * DAY)


def test_wait_is_refused_where_it_would_hold_up_others() -> None:
    """In a batch, and by the sync face on an event loop."""
    limiter = Limiter("short", "1/s")
    limiter.hit("ann")
    with pytest.raises(TypeError, match="waits, which a batch cannot"), batch() as together:
        together(limiter.wait, "ann")

    async def act() -> None:
        limiter.wait("ann")

    with pytest.raises(SynchronousOnlyOperation):
        asyncio.run(act())


@every_algorithm
@pytest.mark.parametrize("rates", [["5/m"], ["5/m", "100/h", "1000/d"]], ids=len)
def test_one_trip_and_a_handful_of_commands(
    algorithm: Any, rates: list[str], face: Face, redis_server: Any, bare_redis: redis.Redis
) -> None:
    """Whatever is asked, and by however many rates."""
    limiter = Limiter("api", *rates, algorithm=algorithm)
    limiter.refund(face(limiter.hit, "bob"))
    before = calls(bare_redis)
    with trace.record() as log:
        decision = face(limiter.hit, "ann")
    after = calls(bare_redis)
    assert (log.trips, len(log.commands)) == (1, 1)
    assert log.commands[0].command.startswith(f"EVALSHA decide.lua {len(rates)} redis_patterns:ratelimit:")
    sent = {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}
    if algorithm == "log":
        each = {"llen": len(rates), "lindex": len(rates), "lpush": len(rates), "pexpire": len(rates)}
    else:
        each = {"set": len(rates)}
    assert sent == {"evalsha": 1, "time": 1, "mget": 1, "info": 1} | each
    for act, argument in ((limiter.peek, "ann"), (limiter.refund, decision), (limiter.reset, "ann")):
        with trace.record() as log:
            face(act, argument)  # type: ignore[operator]
        assert (log.trips, len(log.commands)) == (1, 1)


def calls(client: redis.Redis) -> dict[str, int]:
    stats: dict[str, Any] = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}


def test_what_makes_another_counter(bare_redis: redis.Redis) -> None:
    """Name, algorithm, rate, burst and identity do, and nothing else; no text runs into the next."""
    Limiter("a", "5/m", on_unavailable="closed").hit("ann")
    assert Limiter("a", "5/60s").hit("ann").remaining == 3
    assert Limiter("a", "5/m", shadow=True).hit("ann").remaining == 2
    for other in (
        Limiter("b", "5/m"),
        Limiter("a", "5/h"),
        Limiter("a", "4/m"),
        Limiter("a", "5/m", algorithm="log"),
        Limiter("a", "5/m", algorithm="bucket"),
        Limiter("a", "5/m", algorithm="bucket", burst=6),
        Limiter("a:5", "5/m"),
        Limiter("a}", "5/m"),
    ):
        decision = other.hit("ann")
        assert decision.remaining == decision.limit - 1
    limiter = Limiter("api", "110/m")
    limiter.hit(("api", "1"))
    for who in ("api1", ("api", "", "1"), '["api", "1"]', ("ap", "i1"), "{api}", "api:1", "api\0001"):
        assert limiter.hit(who).remaining == 109


def test_identities() -> None:
    """A number is its text, and a part alone is itself; whatever a client sends is one identity."""
    limiter = Limiter("api", "9/m")
    limiter.hit(7)
    assert limiter.hit("7").remaining == 7
    assert limiter.hit(("7",)).remaining == 6
    assert limiter.hit(UUID(int=7)).remaining == 8
    assert limiter.hit(str(UUID(int=7))).remaining == 7
    for odd in ("", "\0", "é", "\ud800", "x" * 2**20, "{", "}{", "*", "\r\n"):
        assert limiter.hit(odd).remaining == 8


@pytest.mark.parametrize("who", [None, True, 1.5, b"ann", (), ("ip", None), ["ann"], object()])
def test_no_identity(who: Any) -> None:
    """What may be the same for everybody is refused."""
    with pytest.raises(TypeError, match="is no identity"):
        Limiter("api", "9/m").hit(who)


def test_no_key_tells_who_it_is_of(bare_redis: redis.Redis) -> None:
    """Addresses and names are hashed with a key; all of one identity are in one slot."""
    Limiter("api", "9/m", "99/h").hit(("ip", "192.0.2.7"))
    Limiter("login", "9/m", algorithm="log").hit(("ip", "192.0.2.7"))
    keys = sorted(bare_redis.scan_iter("*"))
    assert not [key for key in keys if "192" in key]
    assert len({key.partition("{")[2].partition("}")[0] for key in keys}) == 1
    assert [key.partition("}:")[2] for key in keys] == ["api:sliding99in3600", "api:sliding9in60", "login:log9in60"]


def test_shadow_mode_denies_nobody(face: Face) -> None:
    """It counts and tells, for who wants to try a rule on real traffic."""
    limiter = Limiter("api", "2/d", shadow=True)
    decisions = [face(limiter.hit, "ann") for _ in range(4)]
    assert all(decisions)
    assert [decision.exceeded for decision in decisions] == [False, False, True, True]
    assert decisions[3].retry_after > 0


def test_a_lost_script_is_sent_again(bare_redis: redis.Redis, face: Face) -> None:
    """And the hit is charged once."""
    limiter = Limiter("api", "9/d")
    limiter.hit("ann")
    bare_redis.script_flush()
    assert face(limiter.hit, "ann").remaining == 7


def test_a_decision_says_what_it_is() -> None:
    """In a log or a debugger; the receipt is nobody's business."""
    limiter = Limiter("api", "9/d", algorithm="bucket")
    assert repr(limiter.hit("ann")).startswith(
        "Decision(allowed=True, rule='api', limit=9, remaining=8, reset_after=9600"
    )
    assert "receipt" not in repr(limiter.hit("ann"))
    assert repr(limiter) == "<Limiter 'api' 9/d bucket>"
