"""A Redis Cluster on this machine, out of `RedisServer`s."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import redis

from django_redis_patterns.testing.servers import PATIENCE, RedisServer, ServerError

SLOTS = 16384
# A cluster shows a replica to clients when the replica has received something: a ping, at first.
OPTIONS = """--cluster-enabled yes --cluster-node-timeout 1000
    --repl-diskless-sync yes --repl-diskless-sync-delay 0 --repl-ping-replica-period 1"""


class RedisCluster:
    """*masters* nodes that share all slots, and *replicas* spread over them; as ready as `RedisServer`, and as clean.

    with RedisCluster() as cluster:
        REDIS_PATTERNS = {"CONNECTIONS": {"default": {"CLUSTER": cluster.urls}}}
    """

    def __init__(self, masters: int = 3, replicas: int = 3, *, executable: str | None = None) -> None:
        self.masters = masters
        self.nodes = [RedisServer(executable, options=OPTIONS.split()) for _ in range(masters + replicas)]

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    def start(self) -> Self:
        """Start all nodes, and return when each says that the cluster is well."""
        try:
            for node in self.nodes:
                node.start()
            with ExitStack() as stack:
                self._join([stack.enter_context(redis.Redis(port=node.port, protocol=2)) for node in self.nodes])
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def _join(self, nodes: list[redis.Redis]) -> None:
        masters, replicas = nodes[: self.masters], nodes[self.masters :]
        for number, node in enumerate(nodes):
            _tell(node, "SET-CONFIG-EPOCH", number + 1)
            _tell(node, "MEET", "127.0.0.1", self.nodes[0].port)
        for number, master in enumerate(masters):
            first, end = (SLOTS * n // len(masters) for n in (number, number + 1))
            _tell(master, "ADDSLOTS", *range(first, end))
        _until(lambda: all(len(_tell(node, "NODES")) == len(nodes) for node in nodes))
        for number, replica in enumerate(replicas):
            _tell(replica, "REPLICATE", _tell(masters[number % len(masters)], "MYID"))
        _until(lambda: all(_shows_replicas(node, len(replicas)) for node in nodes))
        _until(lambda: all(replica.info("replication").get("master_link_status") == "up" for replica in replicas))
        _until(lambda: all(_tell(node, "INFO")["cluster_state"] == "ok" for node in nodes))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _tell(node: redis.Redis, word: str, *args: Any) -> Any:
    return node.execute_command(f"CLUSTER {word}", *args)  # type: ignore[no-untyped-call]


def _shows_replicas(node: redis.Redis, count: int) -> bool:
    return sum(len(replicas) for _start, _end, _master, *replicas in _tell(node, "SLOTS")) == count


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 3 * PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise ServerError("The cluster did not come together.")
        time.sleep(0.05)
