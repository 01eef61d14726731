"""``manage.py redis cache``."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from django_redis_patterns.caching import cached


def told(*args):
    out = io.StringIO()
    call_command("redis", "cache", *args, stdout=out)
    return out.getvalue()


def test_stats():
    @cached(ttl=60)
    def f(n):
        return n

    assert "No cached function" in told("stats")
    f(1), f(1), f(1)
    lines = told("stats").splitlines()
    assert lines[0].endswith("test_stats.<locals>.f")
    assert lines[1] == "    66.7% served without a call: 2 hits, 1 calls"
    (stats,) = json.loads(told("stats", "--json")).values()
    assert (stats["hits"], stats["calls"], stats["near"]) == (2, 1, 0)


def test_invalidate():
    @cached(ttl=60, tags=["a"], depends_on=["shelves.Book:{n}"])
    def f(n):
        return n

    for args in (["a"], ["b", "a"], ["--model", "shelves.Book"], ["--model", "shelves.book:1"]):
        f(1), f(2)
        assert told("invalidate", *args).startswith("Invalidated: ")
        assert f.peek(1) is None
        assert f.peek(2) == (2 if args[-1].endswith(":1") else None)


def test_what_is_said_wrong():
    with pytest.raises(CommandError, match="at least one tag"):
        told("invalidate")
    for wrong in ("Book", "shelves.Bok"):
        with pytest.raises(CommandError, match=r"Write app\.Model"):
            told("invalidate", "--model", wrong)
