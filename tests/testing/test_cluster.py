"""A cluster as clients meet it: whole, on the way from one node to another, and with a node gone."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.test import override_settings
from redis.exceptions import AskError, MovedError, TryAgainError

from django_redis_patterns.core.connections import client
from django_redis_patterns.testing.cluster import RedisCluster, slot_of
from django_redis_patterns.testing.servers import RedisServer, ServerError, find_server, has_tls
from django_redis_patterns.testing.tls import Authority

pytestmark = pytest.mark.cluster


@pytest.fixture
def cluster(redis_cluster: RedisCluster) -> RedisCluster:
    return redis_cluster


@pytest.fixture
def to(cluster: RedisCluster) -> RedisServer:
    """A primary that does not have the slot of {a}."""
    return next(server for server in cluster.primaries if server is not cluster.primary_of("{a}"))


@pytest.fixture(autouse=True)
def slot_at_home(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave the shared cluster as it was."""
    if "to" not in request.fixturenames:
        yield
        return
    cluster = request.getfixturevalue("cluster")
    home = cluster.primary_of("{a}")
    yield
    with home.client() as client:
        client.flushall()
    if cluster.primary_of("{a}") is not home:
        with cluster.migration(slot_of("{a}"), home) as back:
            back.move_keys()


def ask(server: RedisServer, *command: Any, asking: bool = False) -> Any:
    """What that node itself says, as a plain client hears it."""
    with server.client(decode_responses=True, single_connection_client=True) as client:
        if asking:
            client.execute_command("ASKING")
        return client.execute_command(*command)


def fill(server: RedisServer, *keys: str) -> None:
    for key in keys:
        ask(server, "SET", key, key, "EX", 60)


def through_the_library(cluster: RedisCluster) -> None:
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": cluster.connection}}):
        assert all(client().set(f"key-{number}", number, ex=60) for number in range(20))


def test_it_serves_all_slots_by_the_library(cluster):
    through_the_library(cluster)
    assert len(cluster.nodes) == len(cluster.urls) == 6
    assert cluster.connection == {"CLUSTER": cluster.urls}
    assert len(cluster.primaries) == 3


def test_the_node_of_a_key_serves_it_and_no_other(cluster):
    primary = cluster.primary_of("somewhere")
    fill(primary, "somewhere")
    for other in cluster.primaries:
        if other is not primary:
            with pytest.raises(MovedError) as caught:
                ask(other, "GET", "somewhere")
            assert caught.value.port == primary.port


def test_a_primary_is_known_by_its_replica(cluster):
    for primary in cluster.primaries:
        replica = cluster.replica_of(primary)
        assert ask(replica, "INFO", "replication")["master_port"] == primary.port
        with pytest.raises(ServerError):
            cluster.replica_of(replica)


def test_a_slot_on_its_way_is_asked_for_at_the_other_side(cluster, to):
    home = cluster.primary_of("{a}")
    fill(home, "{a}1", "{a}2")
    with cluster.migration(slot_of("{a}"), to) as migration:
        assert migration.source is home
        assert ask(home, "GET", "{a}1") == "{a}1"
        with pytest.raises(AskError) as caught:
            ask(home, "GET", "{a}new")
        assert caught.value.port == to.port
        migration.move_keys("{a}1")
        with pytest.raises(AskError):
            ask(home, "GET", "{a}1")
        assert ask(to, "GET", "{a}1", asking=True) == "{a}1"
        with pytest.raises(MovedError):
            ask(to, "GET", "{a}1")
        with pytest.raises(TryAgainError):
            ask(to, "MGET", "{a}1", "{a}2", asking=True)
    assert cluster.primary_of("{a}") is to
    with pytest.raises(MovedError):
        ask(home, "GET", "{a}1")
    assert ask(to, "MGET", "{a}1", "{a}2") == ["{a}1", "{a}2"]


def test_a_client_of_a_cluster_follows(cluster, to):
    follower = redis.RedisCluster.from_url(cluster.urls[0], protocol=2, decode_responses=True)
    try:
        assert follower.mset_nonatomic({"{a}1": "1", "{a}2": "2"})
        migration = cluster.migration(slot_of("{a}"), to).begin()
        migration.move_keys("{a}1")
        assert [follower.get(key) for key in ("{a}1", "{a}2", "{a}3")] == ["1", "2", None]
        migration.end()
        assert follower.mget("{a}1", "{a}2") == ["1", "2"]
    finally:
        follower.close()


def test_a_slot_with_many_keys_moves_whole(cluster, to):
    home = cluster.primary_of("{a}")
    with home.client() as client:
        client.mset({f"{{a}}{number}": number for number in range(2500)})
    with cluster.migration(slot_of("{a}"), to):
        pass
    assert ask(to, "CLUSTER COUNTKEYSINSLOT", slot_of("{a}")) == 2500
    ask(to, "FLUSHALL")


def test_a_block_that_fails_still_ends_its_migration(cluster, to):
    with pytest.raises(ZeroDivisionError), cluster.migration(slot_of("{a}"), to):
        raise ZeroDivisionError
    assert cluster.primary_of("{a}") is to


@pytest.mark.parametrize(
    "wrong", [RedisCluster.primary_of, lambda cluster, key: cluster.replica_of(cluster.primary_of(key))]
)
def test_a_slot_goes_to_another_primary_only(cluster, wrong: Callable[[RedisCluster, str], RedisServer]):
    with pytest.raises(ValueError, match="another primary"):
        cluster.migration(slot_of("{a}"), wrong(cluster, "{a}")).begin()


def test_a_primary_may_have_no_replica():
    lean = RedisCluster(replicas=0)
    with pytest.raises(ServerError, match="no replica"):
        lean.replica_of(lean.nodes[1])


@pytest.mark.skipif(not has_tls(), reason=f"{find_server()} was built without TLS")
def test_a_cluster_gets_its_options_and_speaks_tls_to_all():
    pytest.importorskip("trustme", reason="trustme, which makes certificates, is not installed")
    words = ["--maxmemory", "10mb"]
    with Authority() as authority, RedisCluster(replicas=1, options=words, tls=authority) as cluster:
        assert cluster.connection == {"CLUSTER": cluster.urls, "CA_FILE": authority.ca_file}
        assert all(url.startswith("rediss://") for url in cluster.urls)
        assert [ask(node, "CONFIG GET", "maxmemory")["maxmemory"] for node in cluster.nodes] == ["10485760"] * 4
        through_the_library(cluster)
        home = cluster.primary_of("{a}")
        fill(home, "{a}1")
        to = next(server for server in cluster.primaries if server is not home)
        with cluster.migration(slot_of("{a}"), to) as migration:
            migration.move_keys()
        assert ask(to, "GET", "{a}1") == "{a}1"
    assert not any(node.folder.exists() for node in cluster.nodes)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [RedisServer.kill, RedisServer.pause])
def test_a_primary_that_is_gone_is_replaced_and_returns_as_a_replica(fault: Callable[[RedisServer], None]):
    with RedisCluster() as cluster:
        old, heir = cluster.primary_of("a"), cluster.replica_of(cluster.primary_of("a"))
        fill(old, "a")
        fault(old)
        assert cluster.wait_for_failover(old) is cluster.primary_of("a") is heir
        assert ask(heir, "GET", "a") == "a"
        through_the_library(cluster)
        old.resume() if fault is RedisServer.pause else old.restart()
        assert cluster.wait_for_failover(old) is heir
        with heir.client(socket_timeout=60) as connected:
            assert connected.execute_command("WAIT", 1, 30_000) == 1
        assert cluster.replica_of(heir) is old
        heir.kill()
        assert cluster.wait_for_failover(heir) is cluster.primary_of("a") is old
    assert not any(node.folder.exists() for node in cluster.nodes)
