"""Caches of our backend are examined like rooms: where they are, what evicts them, what their users may do."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.core.cache import caches
from django.test import override_settings

from django_redis_patterns.caching import RedisCache
from django_redis_patterns.core.connections.options import target
from django_redis_patterns.management.doctor import rights
from django_redis_patterns.management.doctor.caches import homes
from django_redis_patterns.testing.servers import RedisServer

from .conftest import Doctor, levels, of_room

OURS = "django_redis_patterns.caching.RedisCache"


class OfTheSite(RedisCache):
    """A site's own, over ours."""


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def ours(**given: Any) -> dict[str, Any]:
    return {"BACKEND": OURS, **given}


def test_a_cache_is_examined(doctor: Doctor, redis_server: RedisServer, server: RedisServer) -> None:
    """By its name; its connection too, which REDIS_PATTERNS does not know."""
    place = f"redis://127.0.0.1:{server.port}/0"
    with override_settings(CACHES={"default": ours(LOCATION=place), "other": {"BACKEND": "nobodys.Cache"}}):
        document = doctor.document(default=redis_server.url)
        _, text = doctor("--acl", default=redis_server.url)
    (connection,) = [one for one in document["connections"] if one["alias"] == place]
    assert {"reachable", "memory", "latency", "login"} <= {one["topic"] for one in connection["findings"]}
    assert levels(of_room(document, "cache default")) == {"eviction": "ok", "persistence": "ok", "rights": "ok"}
    assert f"cache default  on {place}" in text.splitlines()
    assert "~:*:* +eval +evalsha +exists" in text


def test_a_cache_on_one_of_our_connections(doctor: Doctor, redis_server: RedisServer) -> None:
    """Is examined there, one that inherits from ours too; two that have the same keys are told apart."""
    options = {"OPTIONS": {"CONNECTION": "default"}}
    site = {"BACKEND": f"{__name__}.OfTheSite", "KEY_PREFIX": "site", **options}
    with override_settings(CACHES={"default": ours(**options), "twin": ours(VERSION=2, **options), "site": site}):
        document = doctor.document(default=redis_server.url)
    assert [one["alias"] for one in document["connections"]] == ["default"]
    (found,) = [one for one in of_room(document, "cache default") if one["topic"] == "keys"]
    assert (found["level"], found["values"]) == ("warning", {"cache": "twin"})
    assert "keys" not in levels(of_room(document, "cache site"))


def test_a_cache_that_cannot_be_used(doctor: Doctor, redis_server: RedisServer) -> None:
    """Is told by its name, and the others are examined."""
    wrong = ours(LOCATION=redis_server.url, OPTIONS={"LEASE": 0})
    with override_settings(CACHES={"default": wrong, "fine": ours(LOCATION=redis_server.url, KEY_PREFIX="fine")}):
        document = doctor.document(default=redis_server.url)
    (told,) = [one for one in document["connections"] if one["alias"] == "CACHES['default']"]
    assert told["findings"][0]["level"] == "error"
    assert "LEASE" in told["findings"][0]["text"]
    assert levels(of_room(document, "cache fine"))["rights"] == "ok"


def everything() -> None:
    """Do with entries what can be done."""
    cache: Any = caches["default"]
    cache.set("key", 1)
    cache.set_many({"other": 1.5})
    assert (cache.add("key", 2), cache.has_key("key"), cache.incr("key"), cache.incr("other")) == (False, True, 2, 2.5)
    assert cache.incr("new", ignore_key_check=True) == 1
    assert (cache.get("key"), cache.get_many(["key", "other"])) == (2, {"key": 2, "other": 2.5})
    assert cache.get_or_set("cold", "made") == "made"
    later = int(time.time()) + 60
    assert all((cache.touch("key", 9), cache.expire("key", 9), cache.pexpire("key", 9000), cache.ttl("key")))
    assert all((cache.expire_at("key", later), cache.pexpire_at("key", later * 1000), cache.pttl("key")))
    assert all((cache.persist("key"), cache.incr_version("key"), cache.delete("other"), cache.keys("*")))
    cache.clear()


@pytest.mark.parametrize("prefix", ["", "shop", "sh*p-eu"])
def test_the_line_of_a_cache_is_right(doctor: Doctor, server: RedisServer, prefix: str) -> None:
    """It gives what entries need, nothing of it for nothing, and no key of another cache."""
    place = f"redis://shop:of-the-shop@127.0.0.1:{server.port}/0"
    with redis.Redis(port=server.port, protocol=2, decode_responses=True) as admin:
        admin.execute_command("ACL", "SETUSER", "shop", "reset", "on", ">of-the-shop", "+ping")
        with override_settings(CACHES={"default": ours(LOCATION=place, KEY_PREFIX=prefix)}):
            ((room, alias),) = homes()
            line = rights.line(room, target(alias))
            admin.execute_command(*line.replace("NAME", "shop").split())
            everything()
            needed = rights.commands(room)
        assert admin.acl_log() == []
        stats: dict[str, Any] = admin.info("commandstats")
        assert needed - {"PING"} <= {name.removeprefix("cmdstat_").upper() for name in stats}
        admin.execute_command("ACL", "SETUSER", "shop", "+multi", "+info")
        with override_settings(CACHES={"default": ours(LOCATION=place, KEY_PREFIX="other")}):
            document = doctor.document(homes()[0][1])
    (lacking,) = [one["values"]["lacking"] for one in of_room(document, "cache default") if one["topic"] == "rights"]
    assert lacking == ["~other:*:*"]
