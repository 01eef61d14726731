"""The script at the turnstile, asked directly: what waiters and keepers rely on."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from django_redis_patterns.locks import LockTimeout, lock
from django_redis_patterns.locks.place import Card, Place, channel
from django_redis_patterns.locks.post import post
from django_redis_patterns.locks.turnstile import In, Out, come, leave, renew
from tests.locks.torture import until


@pytest.fixture
def place() -> Place:
    return lock("x").places()[0]


def deaf() -> Card:
    """The card of somebody whose process does not listen at the moment."""
    card = Card.new(60)
    card.__dict__["text"] = card.text.replace(channel(), "nobody")
    return card


def wait(place: Place, card: Card, arrival: str = "") -> Out:
    answer = come(place, card, is_queueing=True, arrival=arrival)
    assert isinstance(answer, Out)
    return answer


def get_in(place: Place) -> tuple[Card, int]:
    card = deaf()
    answer = come(place, card)
    assert isinstance(answer, In)
    return card, answer.fence


def test_asking_again_keeps_the_place(place: Place) -> None:
    """Also when the first answer was lost, so that one does not know one's arrival."""
    holder, fence = get_in(place)
    first, second = deaf(), deaf()
    arrival = wait(place, first).arrival
    assert wait(place, second).place == 1
    again = wait(place, first)
    assert (again.place, again.arrival) == (0, arrival)
    for card in (first, second):
        leave(place, card, 0)
    leave(place, holder, fence)


def test_who_was_taken_for_dead_comes_back_to_its_place(place: Place) -> None:
    """Before those who came after it, whoever asks first."""
    holder, fence = get_in(place)
    first, second = deaf(), deaf()
    arrivals = [wait(place, card).arrival for card in (first, second)]
    leave(place, holder, fence)  # nobody listens, so both are passed over
    holder, fence = get_in(place)
    assert wait(place, second, arrivals[1]).place == 0
    assert wait(place, first, arrivals[0]).place == 0
    assert wait(place, second, arrivals[1]).place == 1
    for card in (first, second):
        leave(place, card, 0)
    leave(place, holder, fence)


def test_what_is_over_is_not_renewed() -> None:
    """Though nobody has come since, and Redis has not put it out yet."""
    held = lock("x", ttl=0.1).acquire()
    held.quorum.drop()
    assert renew("default", held.quorum.leases) == [True]
    time.sleep(0.15)
    assert renew("default", held.quorum.leases) == [False]
    lock("x", wait=0).acquire().release()


def test_a_grant_from_before_the_last_answer(away: Callable[..., Any], bare_redis: redis.Redis, one_node: None) -> None:
    """Was true once, and Redis has said since that we are out: it came late, and is nothing to enter on."""
    holder = lock("x").acquire()
    waiter = away(lock("x", wait=0.5).acquire)
    queue = holder.quorum.leases[0].place.keys[1]
    until(lambda: bare_redis.zcard(queue) == 1)
    ((card, arrival),) = bare_redis.zrange(queue, 0, -1, withscores=True)
    token = card.partition("\n")[0]
    until(lambda: post("default", None).is_open)
    time.sleep(0.05)
    post("default", None).message("", f"grant\n{token}\n{holder.fence + 1}\n30000\n{arrival - 1000:.0f}".encode())
    with pytest.raises(LockTimeout):
        waiter.result()
    holder.release()
