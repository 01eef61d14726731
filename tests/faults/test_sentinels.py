"""A primary that is lost under load, and the sentinels' new one."""

import time
from collections.abc import Iterator

import pytest
import redis

from django_redis_patterns.core.connections.breaker import breaker
from django_redis_patterns.exceptions import RedisDenied
from django_redis_patterns.leaderboards import Leaderboard
from django_redis_patterns.testing.sentinel import SentinelTrio
from tests.core.conftest import desk
from tests.core.desks import Desk, Ear, connected, until
from tests.faults.load import wait_for_success, writing

pytestmark = [pytest.mark.permanent_keys("*"), pytest.mark.slow]
board = Leaderboard("songs")


@pytest.fixture
def trio() -> Iterator[SentinelTrio]:
    with SentinelTrio() as trio, connected(**trio.connection, TIMEOUT=0.3, CONNECT_TIMEOUT=0.3):
        breaker.cache_clear()
        yield trio


@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_a_failover_under_load(how: str, trio: SentinelTrio) -> None:
    """Calls fail only while there is no primary, in time, and go on at the new one, and only there."""
    with writing(board) as diary:
        wait_for_success(diary)
        before = max(diary.scores)
        old = trio.kill_primary() if how == "kill" else trio.freeze_primary()
        trio.wait_for_failover(old)
        wait_for_success(diary, 3)
        after = len(diary.scores)
        if how == "freeze":
            old.resume()
        time.sleep(1)
        wait_for_success(diary)
    assert max(diary.scores) > before  # what was replicated is there
    with trio.primary.client() as new:
        diary.check(after, new.zscore(board.keys().board, "a"))


def test_a_password_that_the_sentinels_do_not_know(trio: SentinelTrio) -> None:
    """Whom the sentinels refuse is told so: it is no outage."""
    for sentinel in trio.sentinels:
        with redis.Redis.from_url(sentinel.url, protocol=2) as admin:
            admin.execute_command("ACL", "SETUSER", "default", "resetpass", ">secret")
    with pytest.raises(RedisDenied):
        board.increment("a")
    with connected(**trio.connection, SENTINEL_PASSWORD="secret"):
        assert board.increment("a").score == 1


@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_listeners_follow(how: str, trio: SentinelTrio, desk: Desk) -> None:
    """Who listens is told of the gap, and hears what is published at the new primary."""
    ear = Ear()
    desk.subscribe("news", ear)
    old = trio.kill_primary() if how == "kill" else trio.freeze_primary()
    new = trio.wait_for_failover(old)
    with new.client() as publisher:
        until(lambda: publisher.publish("news", "back") and b"back" in ear.heard)
    assert ear.gaps == 1
