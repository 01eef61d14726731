"""From settings to where a Redis is: by sentinels, by a cache's alias, and mistakes that are named."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.checks import run_checks
from django.test import override_settings

from django_redis_patterns.core.connections import options
from django_redis_patterns.exceptions import InvalidConfiguration
from django_redis_patterns.testing.fixtures import Face
from django_redis_patterns.testing.sentinel import SentinelTrio
from tests.core.desks import connected
from tests.core.examples import Shelf

pytestmark = pytest.mark.permanent_keys("*")
BACKEND = "django_redis.cache.RedisCache"


def borrowed(location: str, **of_cache: Any) -> override_settings:
    """A default connection that is what a cache of django-redis is."""
    caches = {"shop": {"BACKEND": BACKEND, "LOCATION": location, "OPTIONS": of_cache}}
    return override_settings(CACHES=caches, REDIS_PATTERNS={"CONNECTIONS": {"default": {"CACHE": "shop"}}})


def test_sentinels_of_a_cache() -> None:
    """django-redis writes the service as the host; its sentinels and both logins are ours."""
    login = {"USERNAME": "app", "PASSWORD": "data-secret", "SENTINEL_KWARGS": {"password": "sentinel-secret"}}
    with borrowed("rediss://shop-primary/2", SENTINELS=[("s1", 26379), ("s2", 26380)], **login):
        where = options.target("default")
    assert (where.kind, where.service, where.sentinels) == ("tls", "shop-primary", (("s1", 26379), ("s2", 26380)))
    assert (where.options["db"], where.options["username"], where.options["password"]) == (2, "app", "data-secret")
    assert "host" not in where.options
    assert where.sentinel_options["password"] == "sentinel-secret"
    assert "secret" not in repr(where)


def test_a_cache_behind_the_same_sentinels_is_the_same_place() -> None:
    """Whose `clear()` would hit us is known behind sentinels too, in whatever order they are named."""
    with borrowed("redis://shop-primary/2", SENTINELS=[("s1", 1), ("s2", 2)]):
        theirs = options.target("default").place()
    with connected(SENTINELS=["s2:2", "s1:1"], SERVICE="shop-primary", DB=2):
        assert options.target("default").place() == theirs
    with connected(SENTINELS=["s2:2", "s1:1"], SERVICE="shop-primary", DB=3):
        assert options.target("default").place() != theirs


def test_what_a_call_may_take() -> None:
    """The budget is the sum of what may be waited for; sentinels share one time to connect, out and back."""
    with connected(HOST="x", CONNECT_TIMEOUT=0.3, TIMEOUT=2):
        assert options.target("default").budget == pytest.approx(2.8)
    with connected(SENTINELS=["a:1", "b:1", "c:1"], SERVICE="x", CONNECT_TIMEOUT=0.3, TIMEOUT=2):
        assert options.target("default").budget == pytest.approx(3.4)


@pytest.fixture(params=["settings", "a cache"])
def trio(request: pytest.FixtureRequest) -> Iterator[SentinelTrio]:
    with SentinelTrio() as trio:
        pairs = [("127.0.0.1", sentinel.port) for sentinel in trio.sentinels]
        cache = borrowed(f"redis://{trio.service}/1", SENTINELS=pairs)
        with connected(**trio.connection, DB=1) if request.param == "settings" else cache:
            yield trio


def test_behind_sentinels(trio: SentinelTrio, face: Face) -> None:
    """Named by settings or by a cache's alias, the primary is found, in its database."""
    assert face(Shelf().put, "a", "1") is True
    assert face(Shelf().bump, "n") == 1
    with redis.Redis.from_url(trio.primary.url.replace("/0", "/1"), protocol=2) as primary:
        assert primary.get("a") == b"1"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"URL": "postgres://x"}, "an URL of scheme 'postgres' that cannot be read"),
        ({"HOST": "x", "PATH": "/y"}, "needs exactly one of URL, HOST, PATH, CACHE, SENTINELS, CLUSTER; it has 2"),
        ({"SENTINELS": [], "SERVICE": "x"}, "SENTINELS is empty: name at least one address"),
        ({"SENTINELS": ["s1"], "SERVICE": "x"}, 'write "host:port", such as "sentinel1:26379"'),
        ({"SENTINELS": ["redis://s1:26379"], "SERVICE": "x"}, 'write "host:port", such as "sentinel1:26379"'),
        ({"URL": "rediss://x", "CA_FILE": "/no/such.pem"}, "has a CA_FILE that is no file: '/no/such.pem'"),
        ({"HOST": "x", "PASSWORD_FILE": "/no/such"}, "has a PASSWORD_FILE that cannot be read"),
        ({"CLUSTER": ["redis://x"], "DB": 3}, "names database 3, and a cluster has none: write redis://host:port"),
        ({"CLUSTER": ["redis://x/3"]}, "names database 3, and a cluster has none: write redis://host:port"),
        ({"CLUSTER": ["unix:///x"]}, "names a socket file, and a cluster has none"),
    ],
)
def test_a_mistake_is_a_check_error(wrong: dict[str, Any], words: str) -> None:
    """It says what to write, at the start and at the first use."""
    with connected(**wrong):
        (error,) = [m for m in run_checks(tags=["redis_patterns"]) if m.id == "redis_patterns.E001"]
        assert words in error.msg
        with pytest.raises(InvalidConfiguration):
            options.target("default")


def test_the_path_of_a_secret_may_be_told_but_not_the_secret(tmp_path: Path) -> None:
    """A password file is read; nothing that is printed holds what it says."""
    (tmp_path / "password").write_text("hunter2\n")
    with connected(HOST="x", PASSWORD_FILE=str(tmp_path / "password")):
        assert options.target("default").options["password"] == "hunter2"
        assert "hunter2" not in repr(options.target("default"))
