import pytest
import redis
from django.test import override_settings

from django_redis_patterns.core.connections.scan import scan
from django_redis_patterns.exceptions import RedisUnavailable
from django_redis_patterns.testing.servers import free_port

pytestmark = pytest.mark.permanent_keys("*")


def test_a_stem_is_taken_as_it_is(bare_redis: redis.Redis) -> None:
    """Nothing in it is a pattern; what follows it is."""
    stem = "a*?[b]^-\\:"
    for name in (f"{stem}1:x", f"{stem}2:x", f"{stem}1:y", "aXXb^-\\:1:x", "a*?b^-\\:1:x"):
        bare_redis.set(name, 1)
    assert sorted(scan("default", stem, "*:x")) == [f"{stem}1:x", f"{stem}2:x"]


def test_a_server_that_is_away_has_our_name_for_it() -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    with (
        override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": {"URL": url}}}),
        pytest.raises(RedisUnavailable, match="'default' is unavailable"),
    ):
        list(scan("default", "a", "*"))
