import pytest
import redis

from django_redis_patterns.testing.cluster import RedisCluster


@pytest.mark.cluster
def test_a_cluster_serves_all_slots_and_is_gone_afterwards():
    with RedisCluster() as cluster:
        assert len(cluster.urls) == 6
        client = redis.RedisCluster.from_url(cluster.urls[0], protocol=2)
        try:
            assert all(client.set(f"key-{number}", number, ex=60) for number in range(50))
            assert len(client.get_primaries()) == len(client.get_replicas()) == 3
        finally:
            client.close()
    assert not any(node.folder.exists() for node in cluster.nodes)
