"""Order by a key of the data: one at a time over the whole fleet, and a failure keeps only its own waiting."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.streams import Event, Stream

from .children import Child, ids, pending

pytestmark = pytest.mark.permanent_keys("redis_patterns:streams:*")

Declare = Callable[..., Any]


def of(key: Any, number: int = 0) -> dict[str, Any]:
    return {"key": key, "number": number}


def test_a_key_is_in_one_hand_at_a_time(orders: Stream, declare: Declare) -> None:
    """Others are free; what comes behind waits, also when it comes later."""
    consumer = declare(ordered_by="key")
    first, second = Child(consumer), Child(consumer)
    a1, b1 = orders.append_many([of("a"), of("b")])
    assert ids(first.take(1)) == [a1]
    a2, c1 = orders.append_many([of("a"), of("c")])
    assert set(ids(second.take(5))) == {b1, c1}
    assert second.take(5) == []
    first.step(first.run(*first.hand))
    assert ids(first.take(5)) == [a2]


def test_who_takes_the_first_takes_those_behind_it(orders: Stream, declare: Declare) -> None:
    """New or waiting: one job runs them one after another, when they are short."""
    consumer = declare(ordered_by="key", concurrency=1)
    first, second = Child(consumer), Child(consumer)
    run = orders.append_many([of("a", n) for n in range(3)])
    assert ids(first.take(2)) == run[:2]
    assert second.take(5) == []
    more = orders.append_many([of("a", n) for n in range(3)])
    first.step(first.run(*first.hand))
    assert ids(second.take(10)) == [run[2], *more]


def test_a_failing_key_keeps_only_itself_waiting(orders: Stream, declare: Declare) -> None:
    """In order behind it, until it succeeds."""
    got: list[Any] = []
    broken = {("a", 1)}

    def handle(event: Event) -> None:
        if (event.data["key"], event.data["number"]) in broken:
            raise ValueError("no stamp")
        got.append((event.data["key"], event.data["number"]))

    child = Child(declare(handle, ordered_by="key"))
    orders.append_many([of(key, number) for number in (1, 2) for key in "ab"])
    jobs = child.take(10)
    done = child.run(*jobs)
    broken.clear()
    child.step(done)
    assert got == [("b", 1), ("b", 2)]
    child.work()
    assert got[2:] == [("a", 1), ("a", 2)]
    assert pending(child) == {}


def test_a_dead_letter_lets_the_others_go_on(orders: Stream, declare: Declare) -> None:
    got: list[int] = []
    child = Child(declare(lambda event: got.append(1 // event.data["number"]), ordered_by="key", max_attempts=2))
    orders.append_many([of("a", 0), of("a", 1)])
    child.work()
    child.work()
    assert got == [1]
    assert [letter.data["number"] for letter in orders.dead("mailers")] == [0]


def test_a_takeover_keeps_the_order(orders: Stream, declare: Declare) -> None:
    """What the dead one had comes first, then what was waiting."""
    consumer = declare(ordered_by="key")
    dead, other = Child(consumer), Child(consumer)
    run = orders.append_many([of("a", n) for n in range(4)])
    dead.take(2)
    assert other.take(5) == []
    dead.hold(0)
    assert ids(other.take(10)) == run


def test_a_shutdown_keeps_the_order(orders: Stream, declare: Declare) -> None:
    """What is given back while one before it still runs waits for that."""
    consumer = declare(ordered_by="key", batch=1)
    child, other = Child(consumer), Child(consumer)
    first, second = orders.append_many([of("a"), of("a")])
    jobs = child.take(5)
    assert [ids([job]) for job in jobs] == [[first], [second]]
    child.step([Done(jobs[1], ran=False)])
    assert other.take(5) == []
    child.step(child.run(jobs[0]))
    assert ids(other.take(5)) == [second]


@pytest.mark.parametrize(
    ("one", "another", "is_same"),
    [
        ({"key": 7}, {"key": 7}, True),
        ({"key": 7}, {"key": 7.5}, False),
        ({"key": "7"}, {"key": "8"}, False),
        ({"key": "é"}, {"key": "é"}, True),
        ({}, {"key": None}, True),
        ({}, [1], True),
        ({"key": {"a": 1}}, {"key": {"b": 1}}, True),
    ],
)
def test_what_is_one_key(orders: Stream, declare: Declare, one: Any, another: Any, is_same: bool) -> None:
    """Text and numbers; everything else is of one key."""
    child = Child(declare(ordered_by="key"))
    orders.append_many([one, another])
    jobs = child.take(5)
    assert (jobs[0].key == jobs[1].key) == is_same


def test_who_waits_is_woken_when_it_is_its_turn(orders: Stream, declare: Declare) -> None:
    """By the end of what was before it, in another child."""
    consumer = declare(ordered_by="key")
    first, second = Child(consumer), Child(consumer)
    _, behind = orders.append_many([of("a"), of("a")])
    first.take(1)
    second.take(5)
    second.feed._tends_at = float("inf")
    end = threading.Timer(0.2, lambda: first.step(first.run(*first.hand)))
    end.start()
    began = time.monotonic()
    assert list(second.feed.step([], 5, 30, True)) == []
    assert ids(list(second.feed.step([], 5, 30, True))) == [behind]
    assert time.monotonic() - began < 20
    end.join()


def test_a_key_goes_on_when_its_first_was_taken_away(orders: Stream, declare: Declare, bare_redis: redis.Redis) -> None:
    """Acknowledged by hand, or deleted from the log."""
    consumer = declare(ordered_by="key")
    dead, other = Child(consumer), Child(consumer)
    for act, group in ((bare_redis.xack, ["mailers"]), (bare_redis.xdel, [])):
        first, second = orders.append_many([of(len(group)), of(len(group))])
        dead.take(1)
        other.take(5)
        act(orders.keys.log, *group, first)
        dead.lapse()
        orders.append(of(len(group)))
        found: list[str] = []
        for _ in range(3):
            found += ids(other.take(5))
        assert found[0] == second
        other.step(other.run(*other.hand))
        dead.hold()


def test_a_batch_is_of_one_key(orders: Stream, declare: Declare) -> None:
    calls: list[str] = []
    child = Child(
        declare(lambda events: calls.append("".join(e.data["key"] for e in events)), ordered_by="key", batch=3)
    )
    orders.append_many([of(key) for key in "abaabba"])
    child.work()
    assert sorted(calls) == ["a", "aaa", "bbb"]


def test_order_may_be_given_up(orders: Stream, declare: Declare) -> None:
    """After a deployment without it, what was waiting for its turn is due."""
    old = Child(declare(ordered_by="key"))
    behind = orders.append_many([of("a"), of("a")])
    old.take(1)
    old.take(1)
    old.hold(0)
    new = Child(declare())
    assert ids(new.take(10)) == behind


def test_a_thousand_that_wait_do_not_keep_others_waiting(orders: Stream, declare: Declare) -> None:
    """They are passed over."""
    child = Child(declare(ordered_by="key", backoff=lambda error, attempt: 60))
    orders.append(of("a"))
    child.step([Done(job, error=ValueError()) for job in _ended_badly(child.take(1))])
    orders.append_many([of("a")] * 1000)
    other = orders.append(of("b"))
    found: list[str] = []
    for _ in range(1000):
        found += ids(child.take(10))
        if found:
            break
    assert found == [other]


def _ended_badly(jobs: Any) -> Any:
    for job in jobs:
        job._ended[:] = [(event, ValueError()) for event in job.events]
    return jobs
