"""A primary that is lost while its lock is held and waited for, and a replica that takes over.

Replication is asynchronous, so two may be in at once for a while: Redis promises no more. What they write stays in
order all the same, fences rise, and everybody who waits comes to an end.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from django_redis_patterns.core.connections.breaker import breaker
from django_redis_patterns.locks import lock
from django_redis_patterns.testing.cluster import RedisCluster
from django_redis_patterns.testing.sentinel import SentinelTrio
from tests.core.desks import connected
from tests.locks import holders
from tests.locks.holders import take, write
from tests.locks.torture import Field, Refused, added

pytestmark = [pytest.mark.permanent_keys("*"), pytest.mark.slow]
PATIENT = {"TIMEOUT": 0.3, "CONNECT_TIMEOUT": 0.3}


@pytest.fixture
def trio() -> Iterator[SentinelTrio]:
    breaker.cache_clear()
    with SentinelTrio() as trio, connected(**trio.connection, **PATIENT):
        yield trio


@pytest.fixture
def cluster() -> Iterator[RedisCluster]:
    breaker.cache_clear()
    with RedisCluster() as cluster, connected(**cluster.connection, **PATIENT):
        yield cluster


@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_sentinels_fail_over(how: str, trio: SentinelTrio, tmp_path: Path) -> None:
    def fail() -> None:
        old = trio.kill_primary() if how == "kill" else trio.freeze_primary()
        trio.wait_for_failover(old)
        if how == "freeze":
            old.resume()

    survive(fail, tmp_path)


@pytest.mark.cluster
@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_a_cluster_fails_over(how: str, cluster: RedisCluster, tmp_path: Path) -> None:
    def fail() -> None:
        old = cluster.primary_of(lock("x").places()[0].keys[0])
        old.kill() if how == "kill" else old.pause()
        cluster.wait_for_failover(old)
        if how == "freeze":
            old.resume()

    survive(fail, tmp_path)


def survive(fail: Callable[[], None], folder: Path) -> None:
    """Have crowds work for a lock while that happens; one of them gets in before it, and wakes up when all is over."""
    with Field(folder) as field:
        late, *workers = field.several(5)
        for worker in workers:
            worker.tell(work_on, 10)
        time.sleep(0.5)
        late.do(take, ttl=2)
        late.freeze()
        fail()
        assert all(worker.hear(60)["done"] > 0 for worker in workers)
        assert added(worker.do(holders.work, "x", 5, wait=30) for worker in workers) == {"done": 20}
        written = field.history()
        late.thaw()
        with pytest.raises(Refused, match="StaleFence"):
            late.do(write, unchecked=True)
        assert field.history() == written
        verdict = field.judge()
        assert verdict.stale_writes == verdict.lost_updates == 0
        assert len({stay.fence for stay in field.stays()}) == len(field.stays())


def work_on(seconds: float) -> dict[str, int]:
    """Work for so long, whatever goes wrong."""
    told: list[dict[str, int]] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        told.append(holders.work("x", 3, ttl=2, wait=10))
    return added(told)
