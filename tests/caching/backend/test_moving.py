"""A site moves from django-redis while it runs."""

import pickle
from typing import Any

import pytest
from django_redis.cache import RedisCache as Theirs

from django_redis_patterns.caching import RedisCache
from django_redis_patterns.core import trace
from django_redis_patterns.testing.servers import RedisServer

JSON = {"OPTIONS": {"SERIALIZER": "django_redis.serializers.json.JSONSerializer"}}


def both(server: RedisServer, **params: Any) -> tuple[Theirs, RedisCache]:
    return Theirs(server.url, params), RedisCache(server.url, params)


def test_what_they_pickled_is_a_miss(redis_server: RedisServer) -> None:
    """Nobody knows who wrote it. Integers are no pickles, and stay; so the counters of throttles go on."""
    theirs, ours = both(redis_server)
    theirs.set_many({"key": {1}, "n": 5}, 60)
    before = trace.counters().get("caching.undecodable", 0)
    assert (ours.get("key"), ours.incr("n")) == (None, 6)
    assert trace.counters()["caching.undecodable"] == before + 1
    assert ours.get_or_set("key", lambda: {2}, 60) == {2}
    assert ours.get("key") == {2}


def test_json_is_read_by_both(redis_server: RedisServer) -> None:
    """Whoever wrote it: nothing gets cold."""
    theirs, ours = both(redis_server, **JSON)
    theirs.set("key", {"a": [1]}, 60)
    assert ours.get("key") == {"a": [1]}
    ours.set("key", {"b": 2}, 60)
    assert theirs.get("key") == {"b": 2}


def test_processes_of_the_old_release_do_not_meet_our_entries(redis_server: RedisServer) -> None:
    """They would break at them. Under another VERSION both work side by side, until the last old one is gone."""
    theirs, ours = both(redis_server)
    ours.set("key", {1}, 60)
    with pytest.raises((pickle.UnpicklingError, ValueError)):
        theirs.get("key")
    new = RedisCache(redis_server.url, {"VERSION": 2})
    theirs.set("key", {"old"}, 60)
    new.set("key", {"new"}, 60)
    assert (theirs.get("key"), new.get("key")) == ({"old"}, {"new"})
