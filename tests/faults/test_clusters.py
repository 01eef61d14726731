"""A cluster that loses a node, freezes one, or moves a slot, all under load."""

import time
from collections.abc import Iterator

import pytest

from django_redis_patterns.core.connections.breaker import breaker
from django_redis_patterns.core.operations import batch
from django_redis_patterns.leaderboards import Leaderboard
from django_redis_patterns.testing.cluster import RedisCluster, slot_of
from django_redis_patterns.testing.fixtures import Face
from tests.core.desks import connected
from tests.core.examples import Shelf
from tests.faults.load import wait_for_success, writing

pytestmark = [pytest.mark.permanent_keys("*"), pytest.mark.slow, pytest.mark.cluster]
board = Leaderboard("songs")
shelf = Shelf()


@pytest.fixture
def cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as cluster, connected(**cluster.connection, TIMEOUT=0.3, CONNECT_TIMEOUT=0.3):
        breaker.cache_clear()
        yield cluster


@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_a_failover_under_load(how: str, cluster: RedisCluster) -> None:
    """Calls fail only until a replica has taken over, in time, and go on at the new primary."""
    with writing(board) as diary:
        wait_for_success(diary)
        old = cluster.primary_of(board.keys().board)
        old.kill() if how == "kill" else old.pause()
        new = cluster.wait_for_failover(old)
        wait_for_success(diary, 3)
        after = len(diary.scores)
        if how == "freeze":
            old.resume()
        time.sleep(1)
        wait_for_success(diary)
    with new.client() as bare:
        diary.check(after, bare.zscore(board.keys().board, "a"))


def test_the_other_nodes_are_not_held_up(cluster: RedisCluster) -> None:
    """While one node is gone, a batch brings what the others said, and only its own commands fail."""
    names = [f"n{number}" for number in range(30)]
    for name in names:
        shelf.put(name, name)
    dead = cluster.primary_of(names[0])
    theirs = [name for name in names if cluster.primary_of(name) is not dead]
    dead.kill()
    with batch(return_exceptions=True) as together:
        values = {name: together(shelf.get, name) for name in names}
    for name in theirs:
        assert values[name].value == name


def test_a_slot_moves_under_load(cluster: RedisCluster) -> None:
    """ASK and MOVED are followed; nothing is lost or counted twice.

    A script whose keys are half here and half there is refused by Redis until the slot has arrived: a clear error.
    """
    key = board.keys().board
    with writing(board) as diary:
        wait_for_success(diary)
        here = cluster.primary_of(key)
        there = next(node for node in cluster.primaries if node is not here)
        with cluster.migration(slot_of(key), there) as migration:
            time.sleep(0.2)
            migration.move_keys()
            time.sleep(0.2)
        wait_for_success(diary)
        assert cluster.primary_of(key) is there
    diary.check()
    assert diary.ambiguous == 0
    assert max(diary.scores) == len(diary.scores)


def test_a_batch_while_a_slot_moves(cluster: RedisCluster, face: Face) -> None:
    """Commands of a slot that is half here and half there come back to their operations."""
    key = "half"
    here = cluster.primary_of(key)
    there = next(node for node in cluster.primaries if node is not here)
    face(shelf.put, key, "old")
    with cluster.migration(slot_of(key), there) as migration:
        for moved in (False, True):
            if moved:
                migration.move_keys()
            assert face(shelf.several, key, "x", key, "{half}new") == [["old", ""], ["old", ""]]
            assert face(shelf.bump, "{half}count") == 1 + moved
    assert face(shelf.several, key, "x", key, "{half}count") == [["old", ""], ["old", "2"]]
