"""Whatever django-redis answers, ours answers: the same calls on both, side by side."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django_redis.cache import RedisCache as Theirs
from django_redis.util import CacheKey

from django_redis_patterns.caching import RedisCache
from django_redis_patterns.testing.servers import RedisServer

Call = tuple[str, tuple[Any, ...], dict[str, Any]]


def call(name: str, *args: Any, **kwargs: Any) -> Call:
    return name, args, kwargs


SOON = datetime.now(UTC) + timedelta(days=1)

CALLS: dict[str, list[Call]] = {
    "entries": [
        call("set", "a", {"v": [1]}, timeout=25),
        call("get", "a"),
        call("set", "a", 2, nx=True),
        call("set", "b", 2, xx=True),
        call("set", "b", 2, nx=True, timeout=20),
        call("set", "b", 3, xx=True, timeout=20),
        call("set", "over", 3, timeout=0),
        call("set", "over", 3, timeout=-1, nx=True),
        call("get_many", ["a", "b", "c"]),
        call("add", "a", 9),
        call("has_key", "a"),
        call("has_key", "c"),
        call("__contains__", "b"),
        call("get_or_set", "d", lambda: "made", 20),
        call("get_or_set", "d", "again", 20),
        call("delete", "d"),
        call("delete", "d"),
        call("delete_many", ["b", "c"]),
        call("get", "c", "default"),
        call("get", "a", version=2),
        call("incr_version", "a"),
        call("get", "a", version=2),
        call("decr_version", "a", version=2),
        call("get", "a"),
    ],
    "counting": [
        call("set", "n", 5, timeout=30),
        call("incr", "n"),
        call("incr", "n", delta=4),
        call("decr", "n", 2),
        call("incr", "missing"),
        call("decr", "missing"),
        call("incr", "new", 3, ignore_key_check=True),
        call("expire", "new", 5),
        call("set", "big", 2**70, timeout=30),
        call("incr", "big"),
        call("get", "big"),
        call("set", "half", 0.5, timeout=30),
        call("incr", "half"),
        call("incr", "n", version=7),
    ],
    "time to live": [
        call("ttl", "missing"),
        call("pttl", "missing"),
        call("set", "a", 1, timeout=22),
        call("persist", "a"),
        call("persist", "a"),
        call("ttl", "a"),
        call("pttl", "a"),
        call("expire", "a", timeout=1000),
        call("expire", "a", timedelta(seconds=500)),
        call("expire", "missing", 5),
        call("pexpire", "a", timeout=55_000),
        call("pexpire", "a", timedelta(seconds=50)),
        call("pexpire", "missing", 5),
        call("expire_at", "a", SOON),
        call("expire_at", "a", int(SOON.timestamp())),
        call("expire_at", "missing", SOON),
        call("pexpire_at", "a", SOON),
        call("pexpire_at", "a", int(SOON.timestamp() * 1000)),
        call("pexpire_at", "missing", SOON),
        call("touch", "a", 60),
        call("touch", "missing", 60),
        call("touch", "a", None),
        call("touch", "a"),
    ],
    "patterns": [
        call("set_many", {"foo_1": 1, "foo_2": 2, "bar": 3}, timeout=20),
        call("keys", "foo_*"),
        call("keys", "*"),
        call("iter_keys", "foo_*"),
        call("iter_keys", "foo_?", itersize=1),
        call("keys", "*", version=3),
        call("delete_pattern", "foo_[1]"),
        call("delete_pattern", "foo_*", itersize=100_000),
        call("delete_pattern", "nothing*"),
        call("keys", "*"),
    ],
    "sets": [
        call("sadd", "{s}a", 1, "two", (3,)),
        call("sadd", "{s}a", 1),
        call("sadd", "{s}b", 1, "two", 9),
        call("scard", "{s}a"),
        call("smembers", "{s}a"),
        call("sismember", "{s}a", "two"),
        call("sismember", "{s}a", "three"),
        call("smismember", "{s}a", 1, "x", (3,)),
        call("sdiff", "{s}a", "{s}b"),
        call("sinter", "{s}a", "{s}b"),
        call("sunion", "{s}a", "{s}b"),
        call("sdiffstore", "{s}c", "{s}a", "{s}b"),
        call("sinterstore", "{s}c", "{s}a", "{s}b"),
        call("sunionstore", "{s}c", "{s}a", "{s}b"),
        call("smove", "{s}c", "{s}a", 9),
        call("srem", "{s}c", 9, "two"),
        call("sscan", "{s}a"),
        call("sscan_iter", "{s}a"),
        call("srandmember", "{s}missing"),
        call("spop", "{s}missing"),
        call("spop", "{s}c", 5),
        call("delete_many", ["{s}a", "{s}b", "{s}c"]),
    ],
    "hashes": [
        call("hset", "h", "f", {"v": 1}),
        call("hset", "h", "g", 2),
        call("hlen", "h"),
        call("hkeys", "h"),
        call("hexists", "h", "f"),
        call("hexists", "h", "x"),
        call("hdel", "h", "f"),
        call("hdel", "h", "f"),
        call("delete", "h"),
    ],
    "sorted sets": [
        call("zadd", "z", {"ann": 1, "bob": 2, ("eve", 1): 3}),
        call("zcard", "z"),
        call("zcount", "z", 2, 3),
        call("zincrby", "z", 5, "ann"),
        call("zscore", "z", ("eve", 1)),
        call("zrank", "z", "bob"),
        call("zrange", "z", 0, -1),
        call("zrevrange", "z", 0, -1, withscores=True),
        call("zrangebyscore", "z", 2, 3, withscores=True),
        call("zrevrangebyscore", "z", 10, 3),
        call("zrem", "z", "bob"),
        call("zpopmin", "z"),
        call("zpopmax", "z"),
        call("zremrangebyscore", "z", 0, 100),
        call("delete", "z"),
    ],
}  # fmt: skip


def told(cache: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a call returns or raises, in an order that may be compared."""
    try:
        answer = getattr(cache, name)(*args, **kwargs)
    except ValueError as error:
        return type(error)
    if name in ("keys", "iter_keys", "sscan", "sscan_iter", "smembers", "sdiff", "sinter", "sunion", "spop"):
        return answer if answer is None else sorted(answer, key=repr)
    return answer


@pytest.mark.parametrize("about", CALLS)
def test_the_same_answers(redis_server: RedisServer, cache: RedisCache, about: str) -> None:
    """To every call that its guide shows, and to those that it has without showing them."""
    theirs = Theirs(redis_server.url, {"KEY_PREFIX": "theirs"})
    for one in CALLS[about]:
        expected, found = told(theirs, *one), told(cache, *one)
        if isinstance(expected, int) and not isinstance(expected, bool) and one[0] in ("ttl", "pttl"):
            assert abs(found - expected) < 1000
        elif one[0] not in ("set_many", "delete_many"):  # where Django's own answers, and ours, are others
            assert (one[:2], found) == (one[:2], expected)
    theirs.clear()


def test_no_method_is_forgotten() -> None:
    """Every public one of django-redis is called above, or has its test elsewhere."""
    elsewhere = {"clear", "close", "lock"}
    public = {name for name, method in vars(Theirs).items() if callable(method) and not name.startswith("_")}
    assert public - {name for calls in CALLS.values() for name, _, _ in calls} == elsewhere


def test_a_key_that_is_made_already(cache: RedisCache) -> None:
    """`client.make_key` gives one; it is not made again."""
    made = cache.client.make_key("user:1")
    assert isinstance(made, CacheKey)
    cache.set(made, "value", 60)
    assert (cache.get("user:1"), cache.incr_version(made)) == ("value", 2)
    assert cache.get("user:1", version=2) == "value"
    assert cache.incr_version("user:1", 0, version=2) == 2
    assert cache.get("user:1", version=2) == "value"
