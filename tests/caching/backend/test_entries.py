"""What the cache stores, counts and removes, sync, async and batched."""

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from django_redis_patterns.caching import RedisCache
from django_redis_patterns.core import trace
from django_redis_patterns.core.serializers import Seal
from django_redis_patterns.exceptions import InvalidConfiguration
from django_redis_patterns.testing.fixtures import Face

from .conftest import Make

VALUES = [None, True, 7, -1, 2.5, "text", b"bytes", ("a", 1), {"k": [1, {2}]}, datetime(2026, 1, 2, tzinfo=UTC)]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_as_it_was(cache: RedisCache, face: Face, value: Any) -> None:
    """None too: it is a value, and no miss."""
    face(cache.set, "key", value)
    back = face(cache.get, "key", "miss")
    assert (back, type(back)) == (value, type(value))
    assert face(cache.get_many, ["key", "other"]) == {"key": value}


COSTS: dict[str, tuple[Any, ...]] = {
    "get": ("n",),
    "set": ("n", 1),
    "add": ("n", 1),
    "has_key": ("n",),
    "delete": ("n",),
    "incr": ("n",),
    "decr": ("n",),
    "touch": ("n",),
    "ttl": ("n",),
    "expire": ("n", 5),
    "get_or_set": ("n", 1),
}


@pytest.mark.parametrize("name", COSTS)
def test_an_operation_is_one_command(cache: RedisCache, face: Face, name: str) -> None:
    """One trip each, where django-redis needs up to four."""
    cache.set("n", 1)
    with trace.record() as log:
        face(getattr(cache, name), *COSTS[name])
    assert (log.trips, len(log.commands)) == (1, 1)


def test_many_keys_are_one_trip(cache: RedisCache, face: Face, one_node: None) -> None:
    """However many they are."""
    data = {f"k{number}": number for number in range(50)}
    with trace.record() as log:
        face(cache.set_many, data, 60)
        assert face(cache.get_many, data) == data
        assert face(cache.delete_many, data) == 50
    assert log.trips == 3
    assert len(log.commands) == 52


def test_many_keys_lie_on_many_nodes(cache: RedisCache, face: Face) -> None:
    """On a cluster too a call may have keys of every slot."""
    data = {f"k{number}": str(number) for number in range(50)}
    assert face(cache.set_many, data, 60) == []
    assert face(cache.get_many, data) == data
    face(cache.delete_many, data)
    assert face(cache.get_many, data) == {}
    assert face(cache.get_many, []) == {}


def test_a_timeout_is_a_time_to_live(cache: RedisCache, face: Face) -> None:
    """In seconds and fractions of one; 0 and less is over at once, None is for ever."""
    face(cache.set, "short", 1, 0.25)
    assert 0 < face(cache.pttl, "short") <= 250
    face(cache.set, "usual", 1)
    assert 299 <= face(cache.ttl, "usual") <= 300
    face(cache.set, "usual", 2, -1)
    assert face(cache.get, "usual") is None
    assert face(cache.ttl, "usual") == 0
    face(cache.set, "ever", 1, None)
    assert face(cache.ttl, "ever") is None
    assert face(cache.expire, "ever", timedelta(seconds=90))
    assert 89 <= face(cache.ttl, "ever") <= 90
    assert face(cache.pexpire, "ever", 1500)
    assert face(cache.pttl, "ever") <= 1500
    assert face(cache.persist, "ever")
    assert face(cache.pttl, "ever") is None
    later = datetime.now(UTC) + timedelta(seconds=60)
    assert face(cache.expire_at, "ever", later)
    assert 58 <= face(cache.ttl, "ever") <= 60
    assert face(cache.pexpire_at, "ever", int((later.timestamp() - 30) * 1000))
    assert 28 <= face(cache.ttl, "ever") <= 30
    assert face(cache.touch, "ever", 5)
    assert face(cache.ttl, "ever") <= 5
    assert not face(cache.touch, "missing", 5)


def test_a_value_is_written_on_condition(cache: RedisCache, face: Face) -> None:
    """nx writes what is not there, xx what is; set members are something too."""
    assert not face(cache.set, "key", 1, xx=True)
    assert face(cache.set, "key", 2, nx=True)
    assert not face(cache.set, "key", 3, nx=True)
    assert not face(cache.add, "key", 3)
    assert not face(cache.set, "key", 3, -1, nx=True)
    assert face(cache.get, "key") == 2
    assert face(cache.set, "key", 4, xx=True)
    assert 299 <= face(cache.ttl, "key") <= 300
    assert face(cache.get, "key") == 4
    cache.sadd("members", 1)
    cache.expire("members", 60)
    assert face(cache.has_key, "members")
    assert not face(cache.add, "members", 1)


@pytest.mark.parametrize("start", [1, 2**53 - 1, 2**63 - 2, 2**80, 1.5, -3])
def test_counting_is_exact(cache: RedisCache, face: Face, start: float) -> None:
    """Beyond what Lua and Redis count with too, and the time to live stays."""
    face(cache.set, "n", start, 60)
    assert [face(cache.incr, "n"), face(cache.incr, "n", 2), face(cache.decr, "n")] == [start + 1, start + 3, start + 2]
    assert face(cache.get, "n") == start + 2
    assert 58 <= face(cache.ttl, "n") <= 60


def test_counting_needs_a_number(cache: RedisCache, face: Face) -> None:
    """What is not there is a ValueError, what is no number a TypeError, and neither is written."""
    with pytest.raises(ValueError, match="'missing' not found"):
        face(cache.incr, "missing")
    assert not cache.has_key("missing")
    face(cache.set, "text", "a")
    with pytest.raises(TypeError):
        face(cache.incr, "text")
    assert face(cache.get, "text") == "a"
    assert face(cache.incr, "new", 5, ignore_key_check=True) == 5
    cache.touch("new", 60)


@pytest.mark.parametrize("start", [0, 0.5])
def test_no_count_is_lost(cache: RedisCache, start: float) -> None:
    """Of threads that count at once, floats too."""
    cache.set("n", start)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: cache.incr("n"), range(80)))
    assert cache.get("n") == start + 80


def test_integers_are_plain(cache: RedisCache, bare_redis: redis.Redis) -> None:
    """Whoever looks sees the number; booleans are none."""
    cache.set_many({"n": 5, "flag": True})
    assert bare_redis.get(":1:n") == "5"
    assert bare_redis.strlen(":1:flag") > 17


def test_a_version_is_moved_with_its_time(cache: RedisCache, face: Face) -> None:
    """As django-redis does, and Django's own cache does not."""
    face(cache.set, "key", "value", 60)
    assert face(cache.incr_version, "key") == 2
    assert (face(cache.get, "key"), face(cache.get, "key", version=2)) == (None, "value")
    assert 58 <= face(cache.ttl, "key", version=2) <= 60
    with pytest.raises(ValueError, match="not found"):
        face(cache.incr_version, "key")
    face(cache.set, "ever", 1, None)
    assert cache.decr_version("ever", version=face(cache.incr_version, "ever")) == 1
    assert face(cache.ttl, "ever") is None
    cache.delete("ever")


class Bomb:
    """Its pickle calls a function when it is loaded."""

    exploded = 0

    @classmethod
    def explode(cls) -> None:
        cls.exploded += 1

    def __reduce__(self) -> Any:
        return (Bomb.explode, ())


def unsigned() -> bytes:
    return pickle.dumps(Bomb())


def of_another_purpose() -> bytes:
    return b"p" + Seal("elsewhere").sign(unsigned(), b":1:key")


def of_another_key() -> bytes:
    return b"p" + Seal("caching.backend").sign(unsigned(), b":1:other")


def of_another_version() -> bytes:
    return b"p" + Seal("caching.backend").sign(unsigned(), b":2:key")


def of_a_member() -> bytes:
    return b"p" + Seal("caching.backend").sign(unsigned())


def tampered() -> bytes:
    good = b"p" + Seal("caching.backend").sign(pickle.dumps(1), b":1:key")
    return good[: -len(pickle.dumps(1))] + unsigned()


FORGERIES = [unsigned, of_another_purpose, of_another_key, of_another_version, of_a_member, tampered]


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_foreign_pickle_is_a_miss(
    cache: RedisCache, bare_redis: redis.Redis, face: Face, forge: Callable[[], bytes]
) -> None:
    """It is never loaded; it is counted, and the next value takes its place."""
    Bomb.exploded = 0
    bare_redis.set(":1:key", forge(), ex=60)
    before = trace.counters().get("caching.undecodable", 0)
    assert face(cache.get, "key", "default") == "default"
    assert face(cache.get_many, ["key"]) == {}
    with pytest.raises(ValueError, match="not found"):
        face(cache.incr, "key")
    assert trace.counters()["caching.undecodable"] == before + 3
    assert cache.get_or_set("key", lambda: "new") == "new"
    assert cache.get("key") == "new"
    assert not Bomb.exploded


def test_what_cannot_be_pickled_says_so(cache: RedisCache, face: Face) -> None:
    """With the error of pickle, as on every other cache; nothing is stored."""
    with pytest.raises((pickle.PicklingError, AttributeError)):
        face(cache.set, "key", lambda: None)
    assert not cache.has_key("key")


NEIGHBOURS = ["other", "shop", "shop:eu", "sh*p", "shop*", "", r"sh\op", "s[h]op", "shop?"]


@pytest.mark.parametrize("prefix", NEIGHBOURS)
def test_clear_removes_its_own_keys_only(
    make: Make, cache: RedisCache, bare_redis: redis.Redis, face: Face, prefix: str
) -> None:
    """In all versions and of all kinds; whatever is special in a pattern is nothing special in a prefix."""
    caches = {name: make(KEY_PREFIX=name) for name in NEIGHBOURS}
    bare_redis.set("somebody's", "else", ex=60)
    for one in caches.values():
        one.set_many({"a": 1, "b:c": 2}, 60)
        one.set("a", 3, 60, version=2)
        one.sadd("set", 1)
        one.expire("set", 60)
    face(caches[prefix].clear)
    left = {
        name for name, one in caches.items() if one.get("a") == 1 and one.get("a", version=2) and one.has_key("set")
    }
    assert left == set(NEIGHBOURS) - {prefix}
    assert not any(caches[prefix].has_key(key) for key in ("a", "b:c", "set"))
    assert bare_redis.get("somebody's") == "else"


def test_clear_goes_in_bounded_steps(cache: RedisCache, settings: Any, one_node: None) -> None:
    """No step looks at more keys than it is told to, and no command ends everything."""
    settings.DJANGO_REDIS_SCAN_ITERSIZE = 20
    cache.set_many(dict.fromkeys(map(str, range(200)), 1))
    with trace.record() as log:
        cache.clear()
    verbs = [told.command.split()[0] for told in log.commands]
    assert set(verbs) == {"SCAN", "UNLINK"}
    assert verbs.count("SCAN") >= 5
    assert all(len(told.command.split()) < 100 for told in log.commands)
    assert cache.keys("*") == []


def test_a_walk_comes_to_its_end_on_every_node(make: Make, cache: RedisCache, settings: Any, face: Face) -> None:
    """However many steps that takes."""
    settings.DJANGO_REDIS_SCAN_ITERSIZE = 5
    other, keys = make(KEY_PREFIX="other"), set(map(str, range(100)))
    for one in (cache, other):
        one.set_many(dict.fromkeys(keys, 1))
    assert set(face(cache.keys, "*")) == keys
    face(cache.clear)
    assert (face(cache.keys, "*"), set(face(other.keys, "*"))) == ([], keys)


@pytest.mark.parametrize("key_func", [lambda key, prefix, version: key, lambda key, prefix, version: str(hash(key))])
def test_clear_refuses_to_guess(make: Make, key_func: Any) -> None:
    """Where a KEY_FUNCTION hides whose a key is, it would take others with its own."""
    with pytest.raises(InvalidConfiguration, match="KEY_FUNCTION"):
        make(KEY_FUNCTION=key_func, KEY_PREFIX="shop").clear()


def test_clear_knows_a_key_function_of_the_sites_own(make: Make, cache: RedisCache) -> None:
    """As long as prefix and key are in its result."""
    mine = make(KEY_FUNCTION=lambda key, prefix, version: f"{key}@{prefix}", KEY_PREFIX="shop")
    mine.set("a", 1)
    cache.set("a", 1)
    mine.clear()
    assert (mine.get("a"), cache.get("a")) == (None, 1)


def test_a_pattern_removes_what_it_matches(make: Make, cache: RedisCache, face: Face) -> None:
    """Of this cache and version."""
    odd = make(KEY_PREFIX=r"o[d]d*\?")
    for one in (cache, odd):
        one.set_many({"user:1": 1, "user:2": 2, "page": 3})
    odd.set("user:1", 1, version=2)
    assert sorted(face(odd.keys, "user:*")) == ["user:1", "user:2"]
    assert sorted(odd.iter_keys("user:*")) == ["user:1", "user:2"]
    assert face(odd.delete_pattern, "user:?", itersize=10) == 2
    assert face(odd.keys, "*") == ["page"]
    assert odd.get("user:1", version=2) == 1
    assert len(cache.keys("*")) == 3
