"""The operations of streams, for the table of all operations."""

from collections.abc import Callable
from typing import Any

import redis

from django_redis_patterns.core.connections import client
from django_redis_patterns.core.worker.lease import hold
from django_redis_patterns.streams import Event, Stream, exponential
from django_redis_patterns.streams.consumer import Consumer
from django_redis_patterns.streams.log import Addition
from django_redis_patterns.streams.seat import Ends, Seat
from django_redis_patterns.streams.workload import clear, names_of
from tests.faults.row import Call, Row

orders = Stream("orders")
mailers = Consumer(
    stream=orders,
    group="mailers",
    handler=lambda event: None,
    max_attempts=5,
    backoff=exponential(2),
    dead_letter=True,
    concurrency=8,
    start="beginning",
    batch=1,
    ordered_by=None,
)
LOG, DUE, DEAD = orders.keys.log, orders.keys.of("mailers").due, orders.keys.of("mailers").dead


def _filled(act: Callable[[Seat], Call]) -> Callable[[], Call]:
    """Two old events, and a consumer that has taken nothing."""

    def prepare() -> Call:
        for number in (1, 2):
            client().xadd(LOG, {"d": f"j{number}"}, f"{number}-0")
        client().xgroup_create(LOG, "mailers", "0")
        return act(Seat(mailers, "me"))

    return prepare


def _taken(act: Callable[[Seat], Call]) -> Callable[[], Call]:
    """Two events that a consumer has in hand."""

    def begin(seat: Seat) -> Call:
        hold("default", orders.keys.live, ["me"], 60)
        assert len(seat.exchange(Ends(), 2)) == 2
        return act(seat)

    return _filled(begin)


def _waiting(seat: Seat) -> Call:
    assert len(seat.exchange(Ends(), 2)) == 2
    client().xadd(LOG, {"d": "j3"}, "3-0")
    return (seat.listen, 1, 0.05)


def _dead(act: Callable[[], Call]) -> Callable[[], Call]:
    def prepare() -> Call:
        client().xgroup_create(LOG, "mailers", "0", mkstream=True)
        client().xadd(DEAD, {"d": "j1", "id": "1-0", "attempts": 5, "reason": "ValueError"})
        return act()

    return prepare


def _old() -> Call:
    _filled(lambda seat: (seat,))()
    client().xgroup_destroy(LOG, "mailers")
    return (orders.trim, 0)


def _length(redis: redis.Redis) -> Any:
    return redis.xlen(LOG)


def _pending(redis: redis.Redis) -> Any:
    return redis.xpending(LOG, "mailers")["pending"]


def _due(redis: redis.Redis) -> Any:
    return redis.zcard(DUE)


def _place(redis: redis.Redis) -> str:
    (group,) = redis.xinfo_groups(LOG)
    return str(group["last-delivered-id"])


LOGS: dict[str, Row] = {
    "Log.append": Row(lambda: (orders.append, 1), _length, (0, 1)),
    "Log.append_many": Row(lambda: (orders.append_many, [1, 2]), _length, (0, 2)),
    "Log.add": Row(lambda: (orders.add, Addition(b"j1", "key")), _length, (0, 1)),
    "Log.count": Row(_filled(lambda seat: (orders.count,)), _length, (2,), reads=True),
    "Log.trim": Row(_old, _length, (2, 0)),
    "Stream.groups": Row(_filled(lambda seat: (orders.groups,)), reads=True),
    "Stream.lag": Row(_filled(lambda seat: (orders.lag, "mailers")), reads=True),
    "Stream.pending": Row(_taken(lambda seat: (orders.pending, "mailers")), _pending, (2,), reads=True),
    "Stream.replay": Row(_taken(lambda seat: (orders.replay, "mailers", "2-0")), _place, ("2-0", f"1-{2**64 - 1}")),
    "Stream.remove_consumer": Row(_taken(lambda seat: (orders.remove_consumer, "mailers", "me")), _due, (0, 2)),
    "DeadLetters.count": Row(_dead(lambda: (orders.dead("mailers").count,)), reads=True),
    "DeadLetters.discard": Row(
        _dead(lambda: (orders.dead("mailers").discard,)), lambda redis: redis.xlen(DEAD), (1, 0)
    ),
    "DeadLetters.redrive": Row(_dead(lambda: (orders.dead("mailers").redrive,)), _length, (0, 1)),
    "Seat.exchange": Row(_filled(lambda seat: (seat.exchange, Ends(), 2)), _pending, (0, 2)),
    "Seat.listen": Row(_filled(_waiting), _pending, (2, 3), waits=True),
    "Seat.give_back": Row(_taken(lambda seat: (seat.give_back, [])), _due, (0, 2)),
    "Event.heartbeat": Row(_taken(lambda seat: (Event("1-0", 1, seat=seat).heartbeat,)), _pending, (2,), reads=True),
    "streams.names_of": Row(_taken(lambda seat: (names_of, orders)), _due, (0,), reads=True),
    "streams.clear": Row(
        _taken(lambda seat: (clear, orders, ["mailers"], ["me"])),
        lambda redis: (_due(redis), redis.zcard(orders.keys.live)),
        ((0, 1), (2, 1), (2, 0)),
    ),
}
