from collections.abc import Iterator

import pytest
import redis

from django_redis_patterns.testing.acl import User
from django_redis_patterns.testing.servers import RedisServer


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    users = {"app": User("se>cret", "~shop:* &shop:* +@all -@dangerous"), "guest": User(rules="~* +@read")}
    with RedisServer(users=users) as server:
        yield server


def test_a_user_may_do_what_the_rules_say(server):
    with server.client(username="app", password="se>cret") as client:
        assert client.set("shop:a", "1", ex=60)
        assert client.publish("shop:news", "1") == 0
        for denied in (lambda: client.set("a", "1"), lambda: client.publish("news", "1"), client.flushall):
            with pytest.raises(redis.exceptions.NoPermissionError):
                denied()


def test_a_user_without_a_password_needs_the_name_only(server):
    with server.client(username="guest", password="whatever") as client:
        assert client.get("shop:none") is None


def test_nobody_else_may_connect(server):
    with server.client() as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    with server.client(username="app", password="wrong") as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_the_default_user_stays_if_it_is_named():
    with RedisServer(users={"default": User(), "app": User("secret")}) as server, server.client() as client:
        assert client.ping()
