import pytest
import redis
from redis.sentinel import Sentinel

from django_redis_patterns.testing.sentinel import SentinelTrio
from django_redis_patterns.testing.servers import RedisServer


@pytest.fixture
def trio(sentinel_trio: SentinelTrio) -> SentinelTrio:
    return sentinel_trio


def read(server: RedisServer, key: str) -> str | None:
    with server.client(decode_responses=True) as client:
        return client.get(key)


def test_a_client_finds_primary_and_replica(trio):
    sentinel = Sentinel([tuple(address.split(":")) for address in trio.addresses], sentinel_kwargs={"protocol": 2})
    try:
        assert sentinel.discover_master(trio.service) == ("127.0.0.1", trio.primary.port)
        assert sentinel.discover_slaves(trio.service) == [("127.0.0.1", trio.replica.port)]
    finally:
        for client in sentinel.sentinels:
            client.close()
    assert trio.connection == {"SENTINELS": trio.addresses, "SERVICE": "mymaster"}


def test_failover_promotes_the_replica_with_its_data(trio):
    old, new = trio.primary, trio.replica
    with old.client() as client:
        client.set("a", "1", ex=60)
        client.wait(1, 10_000)
    assert trio.failover() is trio.primary is new
    assert read(new, "a") == "1"
    with new.client() as client:
        assert client.set("b", "1", ex=60)


@pytest.mark.parametrize("fault", [SentinelTrio.kill_primary, SentinelTrio.freeze_primary])
def test_a_primary_that_is_gone_is_replaced_by_one_that_has_its_data(fault):
    with SentinelTrio() as trio:
        with trio.primary.client() as client:
            client.set("a", "1", ex=60)
        old = fault(trio)
        new = trio.wait_for_failover(old)
        assert new is not old
        assert trio.replica is old
        assert read(new, "a") == "1"
        with new.client() as client:
            assert client.set("b", "1", ex=60)
    assert not any(server.folder.exists() for server in (*trio.servers, *trio.sentinels))


@pytest.mark.slow
def test_failover_goes_there_and_back():
    with SentinelTrio(replicas=2) as trio:
        first = trio.primary
        seen = [trio.failover() for _ in range(3)]
        assert all(one is not other for one, other in zip([first, *seen], seen, strict=False))


@pytest.mark.slow
def test_a_primary_that_comes_back_becomes_a_replica():
    with SentinelTrio() as trio:
        old = trio.freeze_primary()
        new = trio.wait_for_failover(old)
        old.resume()
        with new.client(socket_timeout=60) as client:
            assert client.wait(1, 30_000) == 1
        with old.client() as client, pytest.raises(redis.ReadOnlyError):
            client.set("a", "1")


def test_the_service_is_known_while_a_sentinel_is_down(trio):
    primary = trio.primary
    trio.sentinels[0].kill()
    assert trio.primary is primary
    trio.sentinels[0].restart()
    assert trio.primary is primary
