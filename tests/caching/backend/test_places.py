"""Where a cache is: a LOCATION, a Redis behind sentinels, or a connection that REDIS_PATTERNS names."""

import re
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.cache import caches

from django_redis_patterns import caching
from django_redis_patterns.caching import RedisCache
from django_redis_patterns.caching.backend import Client
from django_redis_patterns.checks.caching import check_caches
from django_redis_patterns.checks.ground import check_shared_database
from django_redis_patterns.core.connections import client, options
from django_redis_patterns.exceptions import InvalidConfiguration, RedisDenied
from django_redis_patterns.testing.sentinel import SentinelTrio
from django_redis_patterns.testing.servers import RedisServer

OURS = "django_redis_patterns.caching.RedisCache"


def test_a_location(redis_server: RedisServer) -> None:
    """An URL, as on every Redis cache; of several the first, which is the primary."""
    for location in (
        redis_server.url,
        [redis_server.url, "redis://replica:1"],
        f"{redis_server.url},redis://replica:1",
    ):
        cache = RedisCache(location, {})
        cache.set("key", 1)
        assert cache.get("key") == 1


def test_caches_of_one_place_share_their_connections(redis_server: RedisServer) -> None:
    """And those of two options do not."""
    first, second = RedisCache(redis_server.url, {}), RedisCache(redis_server.url, {"KEY_PREFIX": "other"})
    assert first.client.get_client() is second.client.get_client()
    patient = RedisCache(redis_server.url, {"OPTIONS": {"SOCKET_TIMEOUT": 9}})
    assert patient.client.get_client() is not first.client.get_client()


def test_the_options_of_a_location(redis_server: RedisServer) -> None:
    """django-redis' words for time-outs, the bound of the pool and the login are heard."""
    given = {
        "DB": 3,
        "USERNAME": "app",
        "PASSWORD": "s3cret",
        "SOCKET_TIMEOUT": 7,
        "SOCKET_CONNECT_TIMEOUT": 2.5,
        "CONNECTION_POOL_KWARGS": {"max_connections": 12, "retry_on_timeout": True},
        "PARSER_CLASS": "redis.connection.PythonParser",
    }
    alias = RedisCache("redis://127.0.0.1:1", {"OPTIONS": given}).connection
    where = options.target(alias)
    said = {name: where.options[name] for name in ("db", "username", "password")}
    assert said == {"db": 3, "username": "app", "password": "s3cret"}
    assert (where.options["socket_timeout"], where.options["socket_connect_timeout"]) == (7, 2.5)
    assert where.max_connections == 12
    assert "s3cret" not in alias


def test_a_password_in_an_url_is_shown_to_nobody() -> None:
    """Neither in an alias nor in an error."""
    cache = RedisCache("redis://app:s3cret@127.0.0.1:1/0", {})
    with pytest.raises(Exception, match="unavailable") as told:
        cache.get("key")
    assert "s3cret" not in cache.connection + str(told.value)


def test_a_connection_by_name(settings: Any) -> None:
    """One of REDIS_PATTERNS CONNECTIONS, its client and all; no LOCATION is needed."""
    settings.CACHES = {"default": {"BACKEND": OURS, "OPTIONS": {"CONNECTION": "default"}}}
    assert caches["default"].client.get_client() is client("default")


def test_a_misspelt_connection(settings: Any) -> None:
    """Is told to the first who asks, and by the check."""
    settings.CACHES = {"default": {"BACKEND": OURS, "OPTIONS": {"CONNECTION": "defualt"}}}
    with pytest.raises(InvalidConfiguration, match=r"'defualt'.*Did you mean 'default'"):
        caches["default"].get("key")
    (found,) = check_caches()
    assert (found.id, "CACHES['default']" in found.msg) == ("redis_patterns.E201", True)


#: What is refused, and the words of the error that say which option it is and what to write.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"CLIENT_CLASS": "django_redis.client.HerdClient"}, "HerdClient.*Leave it out"),
    ({"CLIENT_CLASS": "django_redis.client.ShardClient"}, "ShardClient.*OPTIONS CONNECTION"),
    ({"CLIENT_CLASS": f"{__name__}.Watching"}, "Watching has get, set.*subclass of RedisCache"),
    ({"CONNECTION_FACTORY": "shop.redis.Factory"}, "CONNECTION_FACTORY 'shop.redis.Factory'.*Leave it out"),
    ({"CONNECTION_POOL_CLASS": "shop.redis.Pool"}, "CONNECTION_POOL_CLASS 'shop.redis.Pool'.*Leave it out"),
    ({"REDIS_CLIENT_CLASS": "shop.redis.Client"}, "REDIS_CLIENT_CLASS"),
    ({"REDIS_CLIENT_KWARGS": {"single_connection_client": True}}, "REDIS_CLIENT_KWARGS"),
    ({"CONNECTION_POOL_KWARGS": {"decode_responses": True}}, "'decode_responses'.*Heard are"),
    ({"CONNECTION_POOL_KWARGS": {"ssl_cert_reqs": None}}, "ssl_cert_reqs.*rediss://"),
    ({"LEASE": 0}, "LEASE"),
    ({"LEASE": "soon"}, "LEASE"),
    ({"SERIALIZER": "nobodys.Serializer"}, "nobodys"),
    ({"SOCKET_TIMEOUT": "long"}, "timeout must be a number"),
]


class Watching(Client):
    """Has operations of its own, as a client of django-redis may have."""

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return None

    set = get


@pytest.mark.parametrize(("wrong", "said"), WRONG, ids=lambda wrong: str(wrong)[:40])
def test_other_wrong_options(settings: Any, wrong: dict[str, Any], said: str) -> None:
    """Are told by the check too: which option it is, and what to write."""
    settings.CACHES = {"default": {"BACKEND": OURS, "LOCATION": "redis://127.0.0.1:1", "OPTIONS": wrong}}
    (found,) = check_caches()
    assert found.id == "redis_patterns.E201"
    assert re.search(said, found.msg)
    settings.CACHES = {"default": {"BACKEND": OURS, "LOCATION": "redis://127.0.0.1:1"}}
    assert check_caches() == []


def test_a_factory_of_all_caches(settings: Any) -> None:
    """Is refused like one of this cache, unless it is django-redis' own."""
    settings.DJANGO_REDIS_CONNECTION_FACTORY = "shop.redis.Factory"
    with pytest.raises(InvalidConfiguration, match=r"shop\.redis\.Factory"):
        RedisCache("redis://127.0.0.1:1", {}).client  # noqa: B018
    settings.DJANGO_REDIS_CONNECTION_FACTORY = "django_redis.pool.SentinelConnectionFactory"
    assert RedisCache("redis://127.0.0.1:1", {}).client


OF_A_PLACE = {"PASSWORD": "x", "SOCKET_TIMEOUT": 3, "DB": 2, "CONNECTION_POOL_KWARGS": {"max_connections": 5}}


@pytest.mark.parametrize("name", OF_A_PLACE)
def test_a_connection_says_where_it_is(name: str) -> None:
    """What a cache says beside it would not be heard, so it is told where to write it."""
    options = {"CONNECTION": "default", name: OF_A_PLACE[name]}
    with pytest.raises(InvalidConfiguration, match=rf"{name} beside CONNECTION.*CONNECTIONS\['default'\]"):
        RedisCache("", {"OPTIONS": options}).client  # noqa: B018
    with pytest.raises(InvalidConfiguration, match="leave out its LOCATION"):
        RedisCache("redis://127.0.0.1:1", {"OPTIONS": {"CONNECTION": "default"}}).client  # noqa: B018


def test_what_a_pool_is_told() -> None:
    """Login, database and time-outs are heard there too; options of the cache itself come first."""
    pool = {"db": "4", "username": "app", "password": "pool", "socket_timeout": 3, "socket_keepalive": True}
    cache = RedisCache("redis://127.0.0.1:1", {"OPTIONS": {"PASSWORD": "mine", "CONNECTION_POOL_KWARGS": pool}})
    said = options.target(cache.connection).options
    assert [said[name] for name in ("db", "username", "password", "socket_timeout")] == [4, "app", "mine", 3]


@pytest.mark.parametrize("distrust", [None, "none", ssl.CERT_NONE])
def test_a_server_that_nobody_vouches_for(tls_server: RedisServer, distrust: Any) -> None:
    """Is refused, unless the site says that it wants no certificate looked at, in the words of django-redis' guide."""
    url = f"rediss://127.0.0.1:{tls_server.port}/0"
    with pytest.raises(RedisDenied):
        RedisCache(url, {}).get("key")
    cache = RedisCache(url, {"OPTIONS": {"CONNECTION_POOL_KWARGS": {"ssl_cert_reqs": distrust}}})
    assert cache.get("key") is None


def test_a_cache_without_a_place(settings: Any) -> None:
    """Is not on this machine by chance."""
    settings.CACHES = {"default": {"BACKEND": OURS, "OPTIONS": {"CONECTION": "default"}}}
    with pytest.raises(InvalidConfiguration, match="needs a LOCATION"):
        caches["default"].get("key")


def test_a_connection_and_a_cache_that_name_each_other(settings: Any) -> None:
    """Lead nowhere."""
    settings.REDIS_PATTERNS = {}
    settings.CACHES = {"default": {"BACKEND": OURS, "OPTIONS": {"CONNECTION": "default"}}}
    with pytest.raises(InvalidConfiguration, match="with an address of its own"):
        caches["default"].get("key")


def test_a_connection_borrows_from_our_cache(settings: Any) -> None:
    """By its LOCATION, or by the connection that it names."""
    there = {"URL": "redis://127.0.0.1:1/7"}
    settings.CACHES = {"default": {"BACKEND": OURS, "OPTIONS": {"CONNECTION": "there"}}}
    settings.REDIS_PATTERNS = {"CONNECTIONS": {"there": there, "default": {"CACHE": "default"}}}
    assert options.target("default").options["db"] == 7
    settings.CACHES = {"default": {"BACKEND": OURS, "LOCATION": "redis://127.0.0.1:1/8"}}
    assert options.target("default").options["db"] == 8


def test_behind_sentinels_in_django_redis_words(sentinel_trio: SentinelTrio) -> None:
    """LOCATION names the service, SENTINELS are in the options."""
    nodes = [(host, int(port)) for host, port in (text.split(":") for text in sentinel_trio.connection["SENTINELS"])]
    given = {
        "CLIENT_CLASS": "django_redis.client.SentinelClient",
        "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
        "CONNECTION_POOL_CLASS": "redis.sentinel.SentinelConnectionPool",
        "SENTINELS": nodes,
    }
    cache = RedisCache(f"redis://{sentinel_trio.connection['SERVICE']}/0", {"OPTIONS": given})
    cache.set("key", 1)
    assert cache.get("key") == 1
    assert cache.keys("*") == ["key"]
    cache.clear()


def test_a_shared_database_is_no_danger(settings: Any) -> None:
    """Our clear() leaves sessions alone: the warning that a foreign one would not names the cure."""
    settings.REDIS_PATTERNS = {"CONNECTIONS": {"default": "redis://127.0.0.1:1/0"}}
    settings.CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}}
    settings.TASKS = {}
    (found,) = check_shared_database()
    assert found.id == "redis_patterns.W001"
    assert OURS in str(found.hint)
    settings.CACHES["default"]["BACKEND"] = OURS
    assert check_shared_database() == []


def test_the_rights_that_the_guide_names_are_enough(redis_server: RedisServer, bare_redis: redis.Redis) -> None:
    """A user who may do that and nothing more can do all that a key needs."""
    guide = " ".join(Path(caching.__file__).with_name("README.md").read_text().split())
    told = re.search(r"For entries that is (.*?), beside", guide)
    assert told
    rules = " ".join(told[1].split()).replace("(its `KEY_PREFIX`) and", "").replace("`", "").split()
    bare_redis.execute_command("ACL SETUSER", "app", "reset", "on", ">s3cret", "+ping", *rules)
    cache = RedisCache(redis_server.url.replace("//", "//app:s3cret@"), {"KEY_PREFIX": "shop"})
    try:
        cache.set("key", 1)
        cache.set_many({"other": 1.5})
        assert (cache.add("key", 2), cache.has_key("key"), cache.incr("key"), cache.incr("other")) == (
            False,
            True,
            2,
            2.5,
        )
        assert cache.incr("new", ignore_key_check=True) == 1
        assert cache.get_many(["key", "other"]) == {"key": 2, "other": 2.5}
        assert cache.get_or_set("cold", "made") == "made"
        later = int(time.time()) + 60
        assert all((cache.touch("key", 9), cache.expire("key", 9), cache.pexpire("key", 9000), cache.ttl("key")))
        assert all((cache.expire_at("key", later), cache.pexpire_at("key", later * 1000), cache.pttl("key")))
        assert all((cache.persist("key"), cache.incr_version("key"), cache.delete("other")))
        cache.clear()
        assert bare_redis.dbsize() == 0
    finally:
        bare_redis.execute_command("ACL DELUSER", "app")
