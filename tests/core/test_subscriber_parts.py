"""The parts of the subscriber that neither read nor write."""

from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from django_redis_patterns.core.subscriber import Subscription, channels
from django_redis_patterns.core.subscriber.link import Backoff
from django_redis_patterns.core.subscriber.resp import ErrorReply, Replies, pack
from tests.core.desks import Ear

REPLY = st.recursive(
    st.one_of(st.integers(-(2**63), 2**63 - 1), st.none(), st.binary()), lambda some: st.lists(some, max_size=3)
)


def encoded(reply: Any) -> bytes:
    if isinstance(reply, list):
        return b"*%d\r\n" % len(reply) + b"".join(map(encoded, reply))
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    return b"$-1\r\n" if reply is None else b"$%d\r\n%b\r\n" % (len(reply), reply)


@given(st.lists(REPLY), st.lists(st.integers(1, 40)))
def test_replies_in_any_pieces(replies: list[Any], sizes: list[int]) -> None:
    """Wherever the stream is cut, the same replies come out of it."""
    stream, parser, got = b"".join(map(encoded, replies)), Replies(), []
    for size in [*sizes, len(stream)]:
        got += parser.feed(stream[:size])
        stream = stream[size:]
    assert got == replies


def test_other_replies() -> None:
    """Errors and simple strings; what is no reply ends the link."""
    error, pong = Replies().feed(b"-NOPERM no\r\n+PONG\r\n")
    assert isinstance(error, ErrorReply)
    assert (error.code, str(error), pong) == ("NOPERM", "NOPERM no", b"PONG")
    with pytest.raises(redis.ConnectionError):
        Replies().feed(b"HTTP/1.1 200 OK\r\n")
    assert pack(b"PING", b"\r\n") == b"*2\r\n$4\r\nPING\r\n$2\r\n\r\n\r\n"


def test_how_long_it_lingers() -> None:
    """A number of ticks, counted from the last to leave, and none at all if somebody comes back."""
    state = channels.Channels("default")
    subscription = Subscription("news", Ear(), lambda error: None, state.drop)
    state.connected()
    state.add(subscription)
    state.outgoing()
    state.received([b"subscribe", b"news", 1])
    for is_back in (True, False):
        subscription.close()
        for _ in range(channels.LINGER - 1):
            state.tick()
        if is_back:
            state.add(subscription)
            state.tick()
        assert b"UNSUBSCRIBE" not in state.outgoing()
    state.tick()
    assert b"UNSUBSCRIBE" in state.outgoing()
    assert state.is_idle


def test_what_is_not_confirmed_yet_is_not_unsubscribed() -> None:
    """The late answer would be taken for that of the next SUBSCRIBE."""
    state = channels.Channels("default")
    subscription = Subscription("news", Ear(), lambda error: None, state.drop)
    state.connected()
    state.add(subscription)
    state.outgoing()
    subscription.close()
    for _ in range(2 * channels.LINGER):
        state.tick()
    assert b"UNSUBSCRIBE" not in state.outgoing()
    state.received([b"subscribe", b"news", 1])
    state.tick()
    assert b"UNSUBSCRIBE" in state.outgoing()


def test_a_listener_that_leaves_while_it_is_told() -> None:
    """Keeps the message from nobody: the others on the channel hear it."""
    state = channels.Channels("default")

    class Shy(Ear):
        def message(self, channel: str, payload: bytes) -> None:
            super().message(channel, payload)
            subscriptions[self].close()

    shy, others = Shy(), [Ear(), Ear()]
    ears = [others[0], shy, others[1]]
    subscriptions = {ear: Subscription("news", ear, lambda error: None, state.drop) for ear in ears}
    state.connected()
    for subscription in subscriptions.values():
        state.add(subscription)
    state.outgoing()
    state.received([b"subscribe", b"news", 1])
    for payload in (b"1", b"2"):
        state.received([b"message", b"news", payload])
    assert [ear.heard for ear in ears] == [[b"1", b"2"], [b"1"], [b"1", b"2"]]


@pytest.mark.parametrize("answer", [[b"subscribe", b"other", 1], [b"unsubscribe", b"news", 0], [b"pong", b"", b""], 7])
def test_an_answer_to_what_was_not_asked_ends_the_link(answer: Any) -> None:
    """Whoever waits is not confirmed by it."""
    state, told = channels.Channels("default"), list[Any]()
    state.connected()
    state.add(Subscription("news", Ear(), told.append, state.drop))
    state.outgoing()
    with pytest.raises(ConnectionError, match="was answered, and not asked"):
        state.received(answer)
    assert not told


def test_backoff_starts_over_when_the_link_has_worked() -> None:
    """And not when Redis has just answered something."""
    state = channels.Channels("default")
    state.add(Subscription("news", Ear(), lambda error: None, state.drop))
    waits = []
    for answer in [b"-NOAUTH no\r\n"] * 20 + [b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"]:
        state.connected()
        state.outgoing()
        try:
            for reply in Replies().feed(answer):
                state.received(reply)
        except redis.ConnectionError as error:
            state.failed(error)
            state.add(Subscription("news", Ear(), lambda error: None, state.drop))
        waits.append(state._backoff._most)
    assert (waits[-2], waits[-1]) == (Backoff.LONGEST, Backoff.FIRST)


def test_backoff_is_jittered_and_bounded() -> None:
    """From 20 ms, doubling, to 2 s; anything down to nothing."""
    backoff = Backoff()
    waits = [[backoff.next() for _ in range(20)] for _ in range(50) if not backoff.reset()]
    most = [max(column) for column in zip(*waits, strict=True)]
    assert all(wait <= min(2, 0.02 * 2**i) for i, wait in enumerate(most))
    assert len({row[10] for row in waits}) > 40
    assert (channels.TICK * channels.LOST_AFTER, channels.TICK * channels.LINGER) == (3, 10)
