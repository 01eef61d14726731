"""What a group promises, step by step: children without their processes, and everything that can happen to them."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.exceptions import EventLost
from django_redis_patterns.signals import events_trimmed
from django_redis_patterns.streams import Event, Stream
from django_redis_patterns.streams import feed as feeding
from django_redis_patterns.streams.job import CRASHES

from .children import Child, ids, pending

pytestmark = pytest.mark.permanent_keys("redis_patterns:streams:*")

Declare = Callable[..., Any]


def fail(event: Any) -> None:
    raise ValueError("no stamp")


@pytest.fixture
def one(declare: Declare) -> Child:
    return Child(declare())


def test_a_busy_batch_is_one_trip_of_two_commands(orders: Stream, declare: Declare) -> None:
    """One that records what is done, and one that takes."""
    child = Child(declare(batch=100))
    orders.append_many(range(400))
    first = child.step(child.run(*child.take()), 1)  # a new server is told the scripts
    with trace.record() as log:
        (second,) = child.feed.step(child.run(*first), 1, 0, True)
    assert (log.trips, len(log.commands)) == (1, 2)
    assert len(second.events) == 100
    assert orders.lag("mailers").pending == 100


def test_a_rare_event_is_one_read_and_one_acknowledgement(orders: Stream, one: Child) -> None:
    """Who knows that nothing is due blocks until there is something new."""
    one.work()
    one.feed._tends_at = float("inf")
    for _ in range(3):
        orders.append("rare")
        with trace.record() as log:
            jobs = list(one.feed.step([], 1, 5, True))
            one.feed.step(one.run(*jobs), 0, 0, True)
        assert [told.command.split()[0] for told in log.commands] == ["XREADGROUP", "EVALSHA"]


@pytest.mark.parametrize("ordered_by", [None, "key"])
def test_who_waits_is_woken_by_a_new_event(orders: Stream, declare: Declare, ordered_by: Any) -> None:
    """And comes back by itself when none comes."""
    child = Child(declare(ordered_by=ordered_by))
    child.work()
    child.feed._tends_at = float("inf")
    began = time.monotonic()
    assert list(child.feed.step([], 1, 0.05, True)) == []
    orders.append({"key": 1})
    found: list[Any] = []
    while not found and time.monotonic() < began + 30:
        found = list(child.feed.step([], 1, 5, True))
    assert len(found) == 1


def test_where_a_new_group_begins(orders: Stream, declare: Declare) -> None:
    """With what is new, with everything, or at a place."""
    old = orders.append_many(["a", "b"])
    got: dict[str, list[Any]] = {"new": [], "beginning": [], old[1]: []}
    children = [Child(declare(_keeper(kept), group=f"from {start}", start=start)) for start, kept in got.items()]
    for child in children:
        child.work()
    orders.append("c")
    for child in children:
        child.work()
    assert got == {"new": ["c"], "beginning": ["a", "b", "c"], old[1]: ["b", "c"]}


def _keeper(kept: list[Any]) -> Callable[[Event], None]:
    return lambda event: kept.append(event.data)


def test_a_failure_is_tried_again_when_it_is_due(orders: Stream, declare: Declare) -> None:
    """Attempts count from 1; others go on meanwhile; then it is a dead letter, with its reason."""
    attempts: list[int] = []

    def handle(event: Event) -> None:
        if event.data == "bad":
            attempts.append(event.attempt)
            raise ValueError("no stamp")

    child = Child(declare(handle, max_attempts=3, backoff=lambda error, attempt: 0.1 * attempt))
    orders.append_many(["bad", "good"])
    child.work()
    lag = orders.lag("mailers")
    assert (attempts, lag.pending, lag.waiting, lag.failing) == ([1], 1, 1, 1)
    end = time.monotonic() + 30
    while orders.lag("mailers").pending and time.monotonic() < end:
        child.feed.step([], 1, 5, True) if not child.hand else None
        child.work()
    assert attempts == [1, 2, 3]
    (letter,) = orders.dead("mailers")
    assert (letter.data, letter.attempts, letter.reason) == ("bad", 3, "ValueError: no stamp")
    assert letter.at >= next(iter(orders.read())).at
    assert orders.lag("mailers").dead == 1


def test_a_retry_is_not_taken_before_its_time(orders: Stream, declare: Declare) -> None:
    child = Child(declare(fail, backoff=lambda error, attempt: 60))
    orders.append(1)
    child.work()
    assert child.take(10) == []


@pytest.mark.parametrize("backoff", [lambda error, attempt: None, lambda error, attempt: 1 / 0])
def test_backoff_may_give_up(orders: Stream, declare: Declare, backoff: Any) -> None:
    """Or fail itself."""
    child = Child(declare(fail, backoff=backoff))
    orders.append(1)
    child.work()
    assert [letter.attempts for letter in orders.dead("mailers")] == [1]


def test_without_dead_letters_it_is_only_told(
    orders: Stream, declare: Declare, caplog: pytest.LogCaptureFixture
) -> None:
    child = Child(declare(fail, max_attempts=1, dead_letter=False))
    id = orders.append(1)
    child.work()
    assert (orders.dead("mailers").count(), orders.lag("mailers").pending) == (0, 0)
    assert f"orders/mailers: {id} is given up: ValueError: no stamp" in caplog.text


def test_a_living_consumer_is_never_stolen_from(orders: Stream, declare: Declare) -> None:
    """However long it takes; only when its lease has run out, and who asks may take over."""
    slow, other = Child(declare()), Child(declare())
    id = orders.append(1)
    slow.take()
    assert other.take(10) == []
    slow.lapse()
    assert other.take(10, takes_over=False) == []
    assert ids(other.take(10)) == [id]


def test_what_a_released_consumer_had_is_taken_at_once(orders: Stream, declare: Declare) -> None:
    """It is known to be dead."""
    dead, other = Child(declare()), Child(declare())
    id = orders.append(1)
    dead.take()
    dead.hold(0)
    assert ids(other.take(10, takes_over=False)) == [id]
    assert [consumer.name for consumer in orders.lag("mailers").consumers] == [other.name]


@pytest.mark.parametrize("error", [None, ValueError("no stamp")])
def test_who_comes_back_late_records_nothing(orders: Stream, declare: Declare, error: Any) -> None:
    """Neither success nor failure of what another one runs by now."""
    consumer = declare(lambda event: _raise(error), max_attempts=1)
    late, other = Child(consumer), Child(consumer)
    id = orders.append(1)
    late.take()
    late.lapse()
    other.take()
    late.step(late.run(*late.hand))
    assert pending(other) == {id: other.name}
    assert orders.dead("mailers").count() == 0
    other.step(other.run(*other.hand))
    assert pending(other) == {}


def test_nor_does_it_for_what_it_was_given_anew(orders: Stream, declare: Declare) -> None:
    """The end of the earlier run is not that of the later one."""
    consumer = declare()
    late, other = Child(consumer), Child(consumer)
    id = orders.append(1)
    (early,) = late.take()
    late.lapse()
    other.take()
    other.lapse()
    late.hold()
    late.feed._in_hand = 0
    (again,) = late.take()
    late.step(late.run(early))
    assert pending(late) == {id: late.name}
    late.step(late.run(again))
    assert pending(late) == {}


def _raise(error: BaseException | None) -> None:
    if error is not None:
        raise error


def test_a_heartbeat_tells_who_was_away_too_long(orders: Stream, declare: Declare) -> None:
    """By both faces; an event of a test has nobody to ask."""
    event: list[Event] = []
    consumer = declare(lambda given: event.append(given))
    late, other = Child(consumer), Child(consumer)
    orders.append(1)
    late.run(*late.take())
    event[0].heartbeat()
    late.lapse()
    other.take()
    with pytest.raises(EventLost, match="not this consumer's any more"):
        event[0].heartbeat()

    async def main() -> None:
        await Event("1-0", {}).aheartbeat()
        with pytest.raises(EventLost):
            await event[0].aheartbeat()
        await adisconnect()

    asyncio.run(main())


def test_a_lost_reply_is_found_again(orders: Stream, one: Child) -> None:
    """No attempt is counted, and nothing else is touched."""
    held, lost = orders.append_many(["held", "lost"])
    one.take()
    one.feed.step([], 1, 0, True)
    one.feed.recover(one.hand)
    assert ids(one.take(10)) == [lost]
    assert one.hand[-1].events[0].deliveries == 1
    assert set(pending(one)) == {held, lost}


def test_what_was_not_run_is_given_back(orders: Stream, declare: Declare) -> None:
    """At a shutdown: the next one takes it at once, and no attempt is counted."""
    child, other = Child(declare()), Child(declare())
    id = orders.append(1)
    (job,) = child.take()
    child.step([Done(job, ran=False)])
    (again,) = other.take()
    assert (ids([again]), again.events[0].deliveries, again.events[0].failures) == ([id], 1, -1)


@pytest.mark.parametrize("loss", ["group", "log", "everything"])
def test_a_lost_group_heals_itself(
    orders: Stream, declare: Declare, bare_redis: redis.Redis, caplog: pytest.LogCaptureFixture, loss: str
) -> None:
    """It goes on where it was, to the millisecond: nothing is skipped, whatever `start` says; and it is told once."""
    got: list[Any] = []
    child = Child(declare(lambda event: got.append(event.data), start="new"))
    child.work()
    orders.append("before")
    child.work()
    child.work()
    if loss == "group":
        bare_redis.xgroup_destroy(orders.keys.log, "mailers")
    elif loss == "log":
        bare_redis.delete(orders.keys.log)
    else:
        bare_redis.flushall()
    orders.append("after")
    child.work()
    child.work()
    assert list(dict.fromkeys(got)) == ["before", "after"]
    assert caplog.text.count("Redis has lost the group") == 1


def test_who_waits_in_a_lost_group_heals_it(orders: Stream, one: Child, bare_redis: redis.Redis) -> None:
    """The blocked command comes back with an error, and the next step makes the group anew."""
    one.work()
    one.feed._tends_at = float("inf")
    bare_redis.xgroup_destroy(orders.keys.log, "mailers")
    orders.append(1)
    assert list(one.feed.step([], 1, 0.1, True)) == []
    assert len(one.take()) == 1


def test_what_was_trimmed_unread_is_told(orders: Stream, declare: Declare, bare_redis: redis.Redis) -> None:
    """Whoever did that: it is acknowledged, counted, and a signal tells of it."""
    told: list[Any] = []

    def hear(stream: str, group: str, ids: list[str], **_: Any) -> None:
        told.extend((stream, group, id) for id in ids)

    consumer = declare(lambda event: 1 / 0 if event.data == "failed" else None)
    child, other = Child(consumer), Child(consumer)
    failed, taken, kept = orders.append_many(["failed", "taken", "kept"])
    child.step(child.run(*child.take()))
    child.take(2)
    child.hand.clear()
    bare_redis.xdel(orders.keys.log, failed, taken)
    child.lapse()
    events_trimmed.connect(hear)
    try:
        other.work()
    finally:
        events_trimmed.disconnect(hear)
    assert sorted(told) == [("orders", "mailers", failed), ("orders", "mailers", taken)]
    assert pending(other) == {}
    assert orders.lag("mailers").failing == 0
    assert kept


def test_a_killer_is_found_and_condemns_nobody(orders: Stream, declare: Declare) -> None:
    """From the third time on it is run alone; after five deaths it is a dead letter."""
    killer, *innocent = orders.append_many(["killer", 1, 2, 3])
    together: list[int] = []
    for _ in range(CRASHES):
        child = Child(declare())
        jobs = child.take(10)
        while killer not in ids(jobs):
            jobs = child.step(child.run(*jobs), 10)
        together.append(len(ids(jobs)))
        child.lapse()
    last = Child(declare())
    last.work()
    assert together[2:] == [1, 1, 1]
    (letter,) = orders.dead("mailers")
    assert (letter.event_id, letter.reason) == (killer, "Killed: 5 consumers died while they ran it")
    assert pending(last) == {}
    assert len(innocent) == 3


def test_a_suspect_waits_until_nothing_else_is_in_hand(orders: Stream, declare: Declare) -> None:
    """Whoever has something in hand takes nothing more, and waits for its end without asking Redis."""
    consumer = declare()
    first, second, child = (Child(consumer) for _ in range(3))
    suspect = orders.append("suspect")
    first.take()
    first.lapse()
    second.take()
    orders.append("other")
    child.take()
    second.lapse()
    assert child.take(5) == []
    with trace.record() as log:
        assert child.step([], 5, 0.01) == []
    assert log.trips == 0
    assert ids(child.step(child.run(*child.hand), 5)) == [suspect]


def test_what_nobody_can_read_is_a_dead_letter_at_once(orders: Stream, one: Child, bare_redis: redis.Redis) -> None:
    """Whoever wrote it."""
    bare_redis.xadd(orders.keys.log, {"foreign": "1"})
    bare_redis.xadd(orders.keys.log, {"d": "jnot json"})
    one.work()
    letters = list(orders.dead("mailers"))
    assert [letter.data for letter in letters] == [None, None]
    assert all(letter.reason.startswith("SerializationError") for letter in letters)


def test_a_batch_is_one_call(orders: Stream, declare: Declare) -> None:
    """Of up to so many events."""
    calls: list[list[Any]] = []
    child = Child(declare(lambda events: calls.append([event.data for event in events]), batch=3))
    orders.append_many(range(7))
    child.work()
    assert calls == [[0, 1, 2], [3, 4, 5], [6]]


def test_a_bad_apple_does_not_spoil_its_batch(orders: Stream, declare: Declare, bare_redis: redis.Redis) -> None:
    """A batch that fails is run again one by one: only who fails alone is tried again, and dies."""
    calls: list[list[Any]] = []

    def handle(events: list[Event]) -> None:
        calls.append([event.data for event in events])
        if "bad" in calls[-1]:
            raise ValueError("no stamp")

    child = Child(declare(handle, batch=3, max_attempts=2))
    orders.append_many([1, "bad"])
    bare_redis.xadd(orders.keys.log, {"d": "jnot json"})
    child.work(1)
    child.work(1)
    assert calls[0] == [1, "bad"]
    assert sorted(map(str, calls[1:])) == ["['bad']", "['bad']", "[1]"]
    assert {letter.data: letter.attempts for letter in orders.dead("mailers")} == {None: 1, "bad": 2}
    assert orders.lag("mailers").failing == 0


def test_short_events_share_a_job(orders: Stream, declare: Declare) -> None:
    """Once they have proved to be short; each still ends by itself."""
    child = Child(declare(lambda event: 1 / event.data, concurrency=1, max_attempts=1))
    orders.append_many([1] * 30)
    while jobs := child.take(4):
        child.step([Done(job, job.run(), seconds=0.0001) for job in jobs])
    orders.append_many([1, 0, 1])
    (job,) = child.take(1)
    assert len(job.events) == 3
    child.step(child.run(job))
    assert [letter.data for letter in orders.dead("mailers")] == [0]
    assert pending(child) == {}


def test_what_is_in_hand_has_a_bound(orders: Stream, declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    """However short the events are."""
    monkeypatch.setattr(feeding, "MOST_IN_HAND", 10)
    child = Child(declare(concurrency=1))
    child.feed._pace.took(0.0, 1)
    for _ in range(40):
        child.feed._pace.took(0.0, 1)
    orders.append_many(range(30))
    assert len(ids(child.take(2))) == 10
    assert len(ids(child.take(2))) == 2


def test_async_handlers(orders: Stream, declare: Declare) -> None:
    """Fail and succeed like others; batches too."""
    got: list[Any] = []

    async def handle(event: Event) -> None:
        await asyncio.sleep(0)
        got.append(1 / event.data)

    async def handle_all(events: list[Event]) -> None:
        got.append(len(events))

    orders.append_many([1, 0])
    for options in ({"handler": handle}, {"handler": handle_all, "group": "all", "batch": 5}):
        child = Child(declare(max_attempts=1, **options))
        jobs = child.take(5)
        assert all(job.is_async for job in jobs)
        child.step([Done(job, asyncio.run(job.run())) for job in jobs])
        assert pending(child) == {}
    assert got == [1, 2]
    assert orders.dead("mailers").count() == 1


def test_a_handler_has_one_group(orders: Stream, declare: Declare) -> None:
    """And declarations that make no sense are told."""
    declare()
    with pytest.raises(ValueError, match="has two handlers"):
        declare(fail)
    for wrong in ({"batch": 0}, {"concurrency": 0}, {"max_attempts": 0}, {"group": ""}, {"ordered_by": 7}):
        with pytest.raises(ValueError, match=r"is from 1 to|A group has a name|is the name of a key"):
            declare(**wrong)


def test_who_has_lost_its_lease_is_given_nothing(orders: Stream, declare: Declare) -> None:
    """And takes over nothing from itself; it asks again, now and then, until its supervisor is back."""
    child = Child(declare())
    orders.append_many([1, 2])
    child.take()
    child.lapse()
    assert child.take(5) == []
    assert set(pending(child).values()) == {child.name}
    with trace.record() as log:
        assert child.feed.step([], 5, 0.01, True) == []
    assert (log.trips, child.feed._seat.is_lapsed) == (1, True)
    child.hold()
    assert len(child.take(5)) == 1
