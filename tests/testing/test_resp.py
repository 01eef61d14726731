"""However a stream is cut into segments, the same commands and replies are seen in it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_redis_patterns.testing.resp import LONGEST_LINE, NotRESP, Replies, Requests

REQUESTS = (
    b"*1\r\n$4\r\nping\r\n"
    b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$12\r\n*1\r\n$4\r\nPING\r\n"
    b"INCR a\r\n\r\n"
    b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n"
)
NAMES = ["PING", "SET", "INCR", "GET"]
REPLIES = [
    b"+OK\r\n",
    b":1\r\n",
    b"-ERR no\r\n",
    b"$-1\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"$7\r\n:1\r\n\r\n+\r\n",
    b"*3\r\n*2\r\n:1\r\n$0\r\n\r\n*0\r\n_\r\n",
    b"%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n,1.5\r\n",
    b"~2\r\n#t\r\n(123\r\n",
    b"=5\r\ntxt:a\r\n",
    b"|1\r\n+ttl\r\n:3600\r\n$1\r\nx\r\n",
]
PUSH = b">2\r\n+invalidate\r\n*1\r\n$1\r\na\r\n"


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted({cut % len(data) for cut in cuts}), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


@given(st.lists(st.integers(0, 1000)))
def test_commands_are_named_in_order(cuts):
    requests = Requests()
    assert [name for piece in pieces(REQUESTS, cuts) for name in requests.names(piece)] == NAMES


@given(st.lists(st.integers(0, 1000)), st.lists(st.sampled_from(REPLIES), min_size=1))
def test_replies_begin_where_they_do(cuts, told):
    expected, stream = [], b""
    for reply in told:
        stream += PUSH
        expected.append(len(stream))
        stream += reply
    replies, seen, at = Replies(), [], 0
    for piece in pieces(stream, cuts):
        seen += [at + start for start in replies.starts(piece)]
        at += len(piece)
    assert seen == expected


@pytest.mark.parametrize("noise", [b"\x16\x03\x01", b"*x\r\n", b"*1\r\n$x\r\n", b"a" * (LONGEST_LINE + 1)])
def test_what_is_not_resp_is_an_error(noise):
    with pytest.raises(NotRESP):
        list(Requests().names(noise))
