"""Appending and reading, by every face; what it costs, and what survives a lost reply."""

import asyncio
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.core.operations import batch
from django_redis_patterns.exceptions import RedisUnavailable, SerializationError
from django_redis_patterns.streams import Entry, Stream, history, log
from django_redis_patterns.streams.ids import before
from django_redis_patterns.testing.fixtures import Face
from django_redis_patterns.testing.proxy import FaultProxy

pytestmark = pytest.mark.permanent_keys("redis_patterns:streams:*")


def data(entries: Any) -> list[Any]:
    return [entry.data for entry in entries]


def test_append_is_one_command(face: Face, orders: Stream) -> None:
    """And returns the id, which tells when."""
    with trace.record() as log:
        id = face(orders.append, {"type": "paid", "order_id": 7})
    assert (log.trips, len(log.commands)) == (1, 1)
    (entry,) = orders.read()
    assert entry == Entry(id, {"type": "paid", "order_id": 7})
    assert abs(entry.at - datetime.now(UTC)) < timedelta(seconds=5)


def test_many_are_one_trip_for_each_thousand(face: Face, orders: Stream) -> None:
    """In their order."""
    face(orders.append_many, [0])
    with trace.record() as log:
        ids = face(orders.append_many, range(1, 2501))
    assert (log.trips, len(log.commands)) == (3, 3)
    assert [entry.id for entry in orders.read()][1:] == ids
    assert data(orders.read()) == list(range(2501))
    assert face(orders.append_many, []) == []
    assert face(orders.count) == 2501


def test_appends_share_a_trip_in_a_batch(orders: Stream) -> None:
    with trace.record() as log, batch() as together:
        ids = [together(orders.append, number) for number in range(3)]
    assert log.trips == 1
    assert data(orders.read()) == [0, 1, 2]
    assert len({id.value for id in ids}) == 3


def test_what_json_cannot_hold_is_refused_at_once(face: Face, orders: Stream) -> None:
    """Before anything is sent."""
    with trace.record() as log, pytest.raises(SerializationError):
        face(orders.append_many, [1, object()])
    assert log.trips == 0


def test_a_key_appends_once(face: Face, orders: Stream) -> None:
    """A second append with the same key returns the id of the first."""
    first = face(orders.append, {"order": 7}, idempotency_key="pay-7")
    assert face(orders.append, {"order": "another"}, idempotency_key="pay-7") == first
    assert face(orders.append, {"order": 8}, idempotency_key="pay-8") != first
    assert data(orders.read()) == [{"order": 7}, {"order": 8}]


def test_a_key_lives_for_its_ttl(orders: Stream, bare_redis: redis.Redis) -> None:
    with override_settings(REDIS_PATTERNS=settings.REDIS_PATTERNS | {"STREAMS": {"IDEMPOTENCY_TTL": 60}}):
        orders.append(1, idempotency_key="pay-7")
    (key,) = bare_redis.scan_iter("*once*")
    assert 0 < bare_redis.ttl(key) <= 60


def test_a_lost_reply_is_asked_for_again_with_a_key(face: Face, orders: Stream, fault_proxy: FaultProxy) -> None:
    """Without one nobody knows whether the event is there, and the error says so."""
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": {"URL": fault_proxy.url}}}):
        face(orders.append, 0, idempotency_key="warm")
        fault_proxy.cut_reply(1)
        face(orders.append, 1, idempotency_key="pay-7")
        assert data(orders.read()) == [0, 1]
        fault_proxy.cut_reply(1)
        with pytest.raises(RedisUnavailable) as caught:
            face(orders.append, 2)
    assert caught.value.ambiguous


@pytest.mark.django_db(transaction=True)
def test_on_commit_all_go_together_in_their_order(orders: Stream) -> None:
    """Equal ones too, with and without keys; as they were when they were appended."""
    mutable = {"n": 1}
    with trace.record() as log, transaction.atomic():
        orders.append_on_commit("same")
        orders.append_on_commit("same")
        orders.append_on_commit(mutable)
        orders.append_on_commit("once", idempotency_key="k")
        orders.append_on_commit("once", idempotency_key="k")
        mutable["n"] = 2
        assert log.trips == 0
    assert data(orders.read()) == ["same", "same", {"n": 1}, "once"]
    assert log.trips <= 2  # the script may have to be sent first


@pytest.mark.django_db(transaction=True)
def test_nothing_is_appended_on_rollback(orders: Stream) -> None:
    """Nor by a savepoint that is rolled back; what JSON cannot hold is told where it is appended."""
    with suppress(LookupError), transaction.atomic():
        orders.append_on_commit(1)
        raise LookupError
    with transaction.atomic():
        orders.append_on_commit(2)
        with pytest.raises(SerializationError):
            orders.append_on_commit(object())
    orders.append_on_commit(3)
    assert data(orders.read()) == [2, 3]


@pytest.fixture(params=["for", "async for"])
def listed(request: pytest.FixtureRequest) -> Any:
    async def alisted(entries: Any) -> list[Any]:
        found = [entry async for entry in entries]
        await adisconnect()
        return found

    return list if request.param == "for" else lambda entries: asyncio.run(alisted(entries))


def test_a_log_is_read_by_ids_and_by_time(listed: Any, orders: Stream, bare_redis: redis.Redis) -> None:
    """Both ends are included."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    ids = [f"{now - age}-0" for age in (90_000, 60_000, 30_000)]
    for number, id in enumerate(ids):
        bare_redis.xadd(orders.keys.log, {"d": f"j{number}"}, id)
    minute = datetime.fromtimestamp((now - 60_000) / 1000, UTC)
    assert data(listed(orders.read(since=ids[1]))) == data(listed(orders.read(since=minute))) == [1, 2]
    assert data(listed(orders.read(until=ids[1]))) == data(listed(orders.read(until=minute))) == [0, 1]
    assert data(listed(orders.read(since=timedelta(seconds=75)))) == [1, 2]
    assert data(listed(orders.read(since=ids[1], until=ids[1]))) == [1]
    assert data(listed(orders.read(since=ids[2], until=ids[0]))) == []
    assert data(listed(orders.read(reverse=True))) == [2, 1, 0]
    assert data(listed(orders.read(since=timezone.make_naive(minute)))) == [1, 2]


def test_pages_are_read_when_they_are_needed(
    listed: Any, orders: Stream, bare_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice asks for no more than it shows."""
    monkeypatch.setattr(history, "PAGE", 10)
    orders.append_many(range(25))
    for entries, shown, trips in [
        (orders.read(), list(range(25)), 3),
        (orders.read(reverse=True), list(range(24, -1, -1)), 3),
        (orders.read(count=10), list(range(10)), 1),
        (orders.read()[:3], [0, 1, 2], 1),
        (orders.read()[20:], [20, 21, 22, 23, 24], 3),
        (orders.read(reverse=True)[1:3], [23, 22], 1),
        (orders.read(count=5)[3:9], [3, 4], 1),
        (orders.read()[2:12][1:][:3], [3, 4, 5], 1),
        (orders.read()[5:5], [], 0),
    ]:
        with trace.record() as log:
            assert data(listed(entries)) == shown
        assert log.trips == trips


@pytest.mark.parametrize("part", [slice(-3, None), slice(None, -1), slice(0, 9, 2)])
def test_a_slice_counts_from_the_start(part: slice, orders: Stream) -> None:
    with pytest.raises(ValueError, match="counts from its start"):
        orders.read()[part]


def test_wrong_places_are_told(orders: Stream) -> None:
    """What is no slice, no id, no count."""
    with pytest.raises(TypeError, match="Take a slice"):
        orders.read()[7]  # type: ignore[index]
    with pytest.raises(ValueError, match="an id such as"):
        list(orders.read(since="yesterday"))
    with pytest.raises(ValueError, match="0 or more"):
        orders.read(count=-1)


def test_what_others_have_written_is_skipped_and_counted(listed: Any, orders: Stream, bare_redis: redis.Redis) -> None:
    """A page of it does not end the reading, nor shorten a slice."""
    for fields in ({"x": "1"}, {"d": "jnot json"}, {"d": "p"}):
        bare_redis.xadd(orders.keys.log, fields)
    orders.append_many([1, 2])
    counted = trace.counters().get("streams.undecodable", 0)
    assert data(listed(orders.read()[:2])) == [1, 2]
    assert trace.counters()["streams.undecodable"] == counted + 3


def test_tail_waits_for_what_comes(orders: Stream) -> None:
    """On a connection of its own; from now on, or after a place."""
    first = orders.append("before")
    tail = iter(orders.tail(after=first))
    orders.append_many(["a", "b"])
    assert [next(tail).data, next(tail).data] == ["a", "b"]
    tail.close()  # type: ignore[attr-defined]

    async def main() -> list[Any]:
        found: list[Any] = []

        async def listen() -> None:
            async for entry in orders.tail():
                found.append(entry.data)
                if len(found) == 2:
                    return

        listening = asyncio.create_task(listen())
        while not listening.done():
            await orders.aappend("x")
            await asyncio.sleep(0.02)
        await listening
        await adisconnect()
        return found

    assert asyncio.run(main()) == ["x", "x"]


def test_tail_goes_on_when_nothing_comes(orders: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits again."""
    monkeypatch.setattr(log, "PATIENCE", 0.05)
    late = threading.Timer(0.3, orders.append, ["late"])
    late.start()
    with trace.record() as told:
        assert next(iter(orders.tail())).data == "late"
    assert told.trips > 2
    late.join()


@pytest.mark.parametrize("wrong", [{"name": ""}, {"maxlen": 0}, {"retention": -1}])
def test_what_makes_no_sense_is_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"A stream has|A retention is"):
        Stream(**{"name": "orders", **wrong})


@pytest.mark.parametrize(
    ("id", "smaller"), [("5-3", "5-2"), ("5-0", f"4-{2**64 - 1}"), ("5", f"4-{2**64 - 1}"), ("0-0", "0-0")]
)
def test_the_id_before(id: str, smaller: str) -> None:
    assert before(id) == smaller
