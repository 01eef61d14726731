"""What django-redis' README shows works here: one test for each of its features."""

import logging
import pickle
from typing import Any

import pytest
import redis
from django.core.cache import caches
from django_redis import get_redis_connection
from django_redis.compressors.identity import IdentityCompressor
from django_redis.serializers.json import JSONSerializer
from django_redis.serializers.pickle import PickleSerializer

from django_redis_patterns.caching import RedisCache
from django_redis_patterns.caching.backend import Client
from django_redis_patterns.core import connections, trace
from django_redis_patterns.exceptions import InvalidConfiguration, RedisDenied, RedisUnavailable, SerializationError

from .conftest import Make

OURS = "django_redis_patterns.caching.RedisCache"


@pytest.mark.parametrize("name", ["zlib.Zlib", "gzip.Gzip", "lzma.Lzma"])
def test_a_value_is_compressed(make: Make, cache: RedisCache, bare_redis: redis.Redis, name: str) -> None:
    """Signed all the same; what is too small stays as it is, and integers are plain."""
    packed = make(COMPRESSOR=f"django_redis.compressors.{name}Compressor")
    packed.set_many({"long": "x" * 10_000, "n": 5})
    assert bare_redis.strlen(":1:long") < 500
    assert packed.get_many(["long", "n"]) == {"long": "x" * 10_000, "n": 5}
    assert packed.incr("n") == 6
    cache.set("long", "not compressed")
    assert packed.get("long") == "not compressed"


@pytest.mark.parametrize("name", ["json.JSON", "msgpack.MSGPack"])
def test_a_value_is_json_or_msgpack(make: Make, bare_redis: redis.Redis, name: str) -> None:
    """As on django-redis, bytes alike; what cannot be read is a miss here."""
    plain = make(SERIALIZER=f"django_redis.serializers.{name}Serializer")
    plain.set("key", {"a": [1, None]})
    plain.set("n", 5)
    assert plain.get("key") == {"a": [1, None]}
    assert plain.incr("n") == 6
    bare_redis.set(":1:key", b"\xc1nothing of theirs", ex=60)
    assert plain.get("key", "miss") == "miss"


def test_stated_pickle_is_signed_too(make: Make, cache: RedisCache) -> None:
    """The default of django-redis, written out, is the default here."""
    stated = make(SERIALIZER="django_redis.serializers.pickle.PickleSerializer", PICKLE_VERSION=-1)
    stated.set("key", {1, 2})
    assert cache.get("key") == {1, 2}


@pytest.mark.parametrize("protocol", [2, 5])
def test_a_pickle_is_of_the_version_that_is_asked_for(make: Make, cache: RedisCache, protocol: int) -> None:
    """Other Pythons may have to read it."""
    make(PICKLE_VERSION=protocol).set("key", {1, 2})
    stored = cache.client.get_client().get(":1:key")
    assert stored[17:19] == bytes([0x80, protocol])
    assert cache.get("key") == {1, 2}


class OwnPickle(PickleSerializer):  # type: ignore[misc]  # django-redis is not typed
    """A site's own."""


def test_a_pickle_serializer_of_the_sites_own_is_signed_too(make: Make, bare_redis: redis.Redis) -> None:
    """Whatever unpickles loads nothing that is not this site's."""
    mine = make(SERIALIZER=f"{__name__}.OwnPickle")
    mine.set("key", {1})
    assert mine.get("key") == {1}
    bare_redis.set(":1:key", pickle.dumps({2}), ex=60)
    assert mine.get("key", "miss") == "miss"


def test_nothing_foreign_is_expanded(make: Make, bare_redis: redis.Redis) -> None:
    """A signature is looked at before a compressor sees anything."""
    packed = make(COMPRESSOR=f"{__name__}.Expanding")
    packed.set("key", "mine")
    Expanding.calls = 0
    assert packed.get("key") == "mine"
    bare_redis.set(":1:key", b"p" + b"x" * 100, ex=60)
    assert packed.get("key", "miss") == "miss"
    assert Expanding.calls == 1


class Expanding(IdentityCompressor):  # type: ignore[misc]  # django-redis is not typed
    """Counts."""

    calls = 0

    def decompress(self, value: bytes) -> bytes:
        Expanding.calls += 1
        return value


def test_a_large_value(cache: RedisCache, bare_redis: redis.Redis) -> None:
    """There is no bound but Redis' own."""
    large = b"x" * 17_000_000
    cache.set("key", large, 60)
    assert cache.get("key") == large
    bare_redis.delete(":1:key")


def test_a_site_may_replace_its_secret_key(cache: RedisCache, settings: Any) -> None:
    """What the old key signed is read as long as it is among SECRET_KEY_FALLBACKS, and not longer."""
    cache.set("key", "value", 60)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another one"
    assert cache.get("key") == "value"
    settings.SECRET_KEY_FALLBACKS = []
    assert cache.get("key") is None


def test_what_cannot_be_read_is_told_once_a_minute(
    cache: RedisCache, bare_redis: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """And counted each time: a cache that was django-redis' is full of it."""
    before = trace.counters().get("caching.undecodable", 0)
    bare_redis.set(":1:key", pickle.dumps(1), ex=60)
    with caplog.at_level(logging.WARNING, "django_redis_patterns.caching"):
        assert [cache.get("key") for _ in range(5)] == [None] * 5
    assert len(caplog.records) == 1
    assert trace.counters()["caching.undecodable"] == before + 5


def test_the_client_does_what_the_cache_does(cache: RedisCache, bare_redis: redis.Redis) -> None:
    """An entry is the same, whoever is asked for it; one that is being computed is a miss."""
    cache.client.set("key", {1}, timeout=60)
    assert cache.get("key") == cache.client.get("key") == {1}
    assert cache.client.get_many(["key"]) == {"key": {1}}
    bare_redis.set(":1:key", b"\0lease:1:x", ex=60)
    assert cache.client.get("key", "miss") == "miss"


@pytest.mark.parametrize("prefix", ["", "shop", "shop:eu", "1:2"])
def test_keys_come_back_as_they_were_given(make: Make, cache: RedisCache, prefix: str) -> None:
    """Also where a prefix has colons, and a key too."""
    made = make(KEY_PREFIX=prefix)
    made.set_many({"user:1:name": 1, "plain": 2}, 60)
    assert sorted(made.keys("*")) == sorted(made.iter_keys("*")) == ["plain", "user:1:name"]


def test_sets(cache: RedisCache) -> None:
    """Members are values."""
    assert cache.sadd("{s}a", 1, "two", ("three",)) == 3
    cache.sadd("{s}b", 1, 4)
    assert cache.smembers("{s}a") == {1, "two", ("three",)}
    assert cache.sinter("{s}a", "{s}b") == {1}
    assert cache.sismember("{s}a", "two")
    assert cache.scard("{s}b") == 2
    assert set(cache.sscan_iter("{s}a")) == {1, "two", ("three",)}
    cache.delete_many(["{s}a", "{s}b"])


def test_hashes(cache: RedisCache) -> None:
    """Fields are text."""
    cache.hset("h", "field", {"v": 1})
    assert (cache.hlen("h"), cache.hkeys("h"), cache.hexists("h", "field")) == (1, ["field"], True)
    assert cache.hdel("h", "field") == 1


def test_sorted_sets(cache: RedisCache) -> None:
    """Members are values, and found again."""
    cache.zadd("z", {"ann": 2, ("bob", 1): 5})
    assert cache.zrange("z", 0, -1, withscores=True) == [("ann", 2.0), (("bob", 1), 5.0)]
    assert cache.zincrby("z", 2, "ann") == 4
    assert cache.zscore("z", ("bob", 1)) == 5
    cache.delete("z")


def test_a_foreign_member_is_never_loaded(cache: RedisCache, bare_redis: redis.Redis) -> None:
    """There is no miss among members, so it is an error."""
    bare_redis.sadd(":1:s", b"\x80\x04.")
    bare_redis.expire(":1:s", 60)
    with pytest.raises(SerializationError):
        cache.smembers("s")


def test_a_lock(cache: RedisCache) -> None:
    """redis-py's, as there; the locks of this app keep more promises."""
    with cache.lock("job", timeout=5):
        assert not cache.lock("job", timeout=5, blocking=False).acquire()
    assert cache.lock("job", timeout=5, blocking=False).acquire()


def test_the_raw_client(settings: Any, cache: RedisCache) -> None:
    """Is redis-py's, of our connection."""
    settings.CACHES = {"default": {"BACKEND": OURS, "OPTIONS": {"CONNECTION": "default"}}}
    raw = get_redis_connection("default")
    assert raw is connections.client("default")
    raw.set("some:key", 1, ex=60)
    assert caches["default"].client.get_client(write=False).get("some:key") == b"1"


def test_the_client_clears_its_own_keys_too(cache: RedisCache, bare_redis: redis.Redis) -> None:
    """It may be asked for instead of the cache."""
    bare_redis.set("somebody's", "else", ex=60)
    cache.set("key", 1)
    cache.client.clear()
    assert (cache.get("key"), bare_redis.get("somebody's")) == (None, "else")


def test_keys_of_the_sites_own_form(make: Make) -> None:
    """KEY_FUNCTION spells them, REVERSE_KEY_FUNCTION reads them."""
    mine = make(
        KEY_FUNCTION=lambda key, prefix, version: f"{prefix}/{version}/{key}",
        REVERSE_KEY_FUNCTION=lambda key: key.rsplit("/", 1)[1],
        KEY_PREFIX="mine",
    )
    mine.set("a", 1)
    assert (mine.keys("*"), list(mine.iter_keys("a"))) == (["a"], ["a"])
    mine.clear()
    assert mine.keys("*") == []


class Short(Client):
    """A client of a site's own."""

    def encode(self, value: Any, *, allow_int: bool = True) -> Any:
        return JSONSerializer({}).dumps(value)

    def decode(self, value: bytes) -> Any:
        return JSONSerializer({}).loads(value)


def test_a_client_of_the_sites_own(make: Make, bare_redis: redis.Redis) -> None:
    """Inherits from ours; django-redis' own names are ours; one with connections of its own is refused with advice."""
    short = make(CLIENT_CLASS=f"{__name__}.Short")
    short.set("key", [1])
    assert (bare_redis.get(":1:key"), short.get("key")) == ("[1]", [1])
    assert make(CLIENT_CLASS="django_redis.client.DefaultClient").client.get_client()
    for name in ("HerdClient", "ShardClient"):
        with pytest.raises(InvalidConfiguration, match=f"{name}.*Leave it out"):
            make(CLIENT_CLASS=f"django_redis.client.{name}")


def gone(**options: Any) -> RedisCache:
    """A cache whose Redis is away."""
    return RedisCache("redis://127.0.0.1:1/0", {"OPTIONS": options})


READS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "get": (("key", "default"), "default"),
    "get_many": ((["key"],), {}),
    "has_key": (("key",), None),
    "set": (("key", 1), None),
    "set_many": (({"key": 1},), []),
    "add": (("key", 1), None),
    "delete": (("key",), None),
    "delete_many": ((["key"],), None),
    "incr": (("key",), None),
    "touch": (("key",), None),
    "ttl": (("key",), None),
    "keys": (("*",), None),
    "get_or_set": (("key", lambda: "computed"), "computed"),
    "clear": ((), None),
    "delete_pattern": (("*",), None),
    "smembers": (("key",), None),
    "zadd": (("key", {"m": 1}), None),
    "hlen": (("key",), None),
}


@pytest.mark.parametrize("name", READS)
def test_redis_away(name: str) -> None:
    """Raises our error, or goes on without; django-redis' own methods too."""
    args, otherwise = READS[name]
    with pytest.raises(RedisUnavailable, match=r"redis://127\.0\.0\.1:1/0"):
        getattr(gone(), name)(*args)
    assert getattr(gone(IGNORE_EXCEPTIONS=True), name)(*args) == otherwise


def test_iteration_with_redis_away() -> None:
    """The error comes with the first key."""
    keys = gone().iter_keys("*")
    with pytest.raises(RedisUnavailable):
        next(keys)
    assert list(gone(IGNORE_EXCEPTIONS=True).iter_keys("*")) == []


def test_an_ignored_error_is_logged_where_asked(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    """By django-redis' settings."""
    settings.DJANGO_REDIS_IGNORE_EXCEPTIONS = settings.DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True
    settings.DJANGO_REDIS_LOGGER = "site.cache"
    with caplog.at_level(logging.WARNING, "site.cache"):
        assert gone().get("key") is None
    assert "passed over" in caplog.text


def test_a_refused_login_is_never_ignored(redis_server: Any) -> None:
    """It is no outage, and does not go away."""
    url = redis_server.url.replace("//", "//nobody:wrong@")
    denied = RedisCache(url, {"OPTIONS": {"IGNORE_EXCEPTIONS": True}})
    for method in (denied.get, denied.smembers):
        with pytest.raises(RedisDenied) as told:
            method("key")
        assert "wrong" not in str(told.value)


def test_another_kind_of_key_is_an_error(make: Make, cache: RedisCache) -> None:
    """Redis' own words, unless errors are ignored."""
    cache.sadd("key", 1)
    cache.expire("key", 60)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        cache.get("key")
    assert make(IGNORE_EXCEPTIONS=True).get("key", "default") == "default"
