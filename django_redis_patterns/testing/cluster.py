"""A Redis Cluster on this machine, out of `RedisServer`s."""

from collections.abc import Callable, Sequence
from typing import Any, Self

from redis.crc import key_slot

from django_redis_patterns.testing.migration import Migration
from django_redis_patterns.testing.nodes import owner, tell, views
from django_redis_patterns.testing.replication import is_followed
from django_redis_patterns.testing.running import Running
from django_redis_patterns.testing.servers import RedisServer, ServerError
from django_redis_patterns.testing.tls import Authority
from django_redis_patterns.testing.waiting import until

SLOTS = 16384
# A cluster shows a replica to clients when the replica has received something: a ping, at first.
# A replica stays with its primary, however few another has.
OPTIONS = """--cluster-enabled yes --cluster-node-timeout 1000 --cluster-migration-barrier 999
    --repl-diskless-sync yes --repl-diskless-sync-delay 0 --repl-ping-replica-period 1"""
TLS_OPTIONS = "--tls-cluster yes --tls-replication yes"


def slot_of(key: str | bytes) -> int:
    return int(key_slot(key.encode() if isinstance(key, str) else key))


class RedisCluster(Running):
    """*masters* nodes that share all slots, and *replicas* spread over them; as ready as `RedisServer`, and as clean.

        with RedisCluster() as cluster:
            REDIS_PATTERNS = {"CONNECTIONS": {"default": cluster.connection}}
            old = cluster.primary_of("a")
            old.kill()
            new = cluster.wait_for_failover(old)

    A node counts as down when it is silent for a second; *options* may lengthen ``--cluster-node-timeout``. With *tls*
    the nodes speak nothing else, neither with clients nor with each other.
    """

    def __init__(
        self,
        masters: int = 3,
        replicas: int = 3,
        *,
        executable: str | None = None,
        options: Sequence[str] = (),
        tls: Authority | None = None,
    ) -> None:
        words = [*OPTIONS.split(), *(TLS_OPTIONS.split() if tls else []), *options]
        self.masters = masters
        self.tls = tls
        self.nodes = [RedisServer(executable, options=words, tls=tls) for _ in range(masters + replicas)]

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    @property
    def connection(self) -> dict[str, Any]:
        """An entry for ``CONNECTIONS`` in ``REDIS_PATTERNS``."""
        return {"CLUSTER": self.urls} | ({"CA_FILE": self.tls.ca_file} if self.tls else {})

    @property
    def primaries(self) -> list[RedisServer]:
        """The nodes that answer and say they are one."""
        return [view.server for view in views(self.nodes) if view.is_primary]

    def primary_of(self, key: str | bytes) -> RedisServer:
        """Return the node that has the key's slot now. Raises `ServerError` when none that answers has it."""
        return owner(views(self.nodes), slot_of(key)).server

    def replica_of(self, primary: RedisServer) -> RedisServer:
        """Return the first node that answers and replicates that one, which may be down."""
        for view in views(node for node in self._shard(primary) if node is not primary):
            if not view.is_primary:
                return view.server
        raise ServerError("The primary has no replica that answers.")

    def wait_for_failover(self, old: RedisServer) -> RedisServer:
        """Return the primary in the place of *old* when every node that answers knows it and finds the cluster well."""
        return until(lambda: self._heir(old), "The cluster did not agree on a new primary.")

    def migration(self, slot: int, to: RedisServer) -> Migration:
        """Return the move of a slot to another primary, as a block: ASK, TRYAGAIN and MOVED at will."""
        return Migration(self.nodes, slot, to)

    def start(self) -> Self:
        """Start all nodes, and return when each says that the cluster is well."""
        try:
            for node in self.nodes:
                node.start()
            self._join()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def _shard(self, node: RedisServer) -> list[RedisServer]:
        """Return the nodes that hold the same data, in any of their roles."""
        return self.nodes[self.nodes.index(node) % self.masters :: self.masters]

    def _heir(self, old: RedisServer) -> RedisServer | None:
        seen = views(self.nodes)
        others = [node for node in self._shard(old) if node is not old]
        heirs = [view for view in seen if view.id in view.slots and view.server in others]
        agreed = all(view.is_ok and view.slots == seen[0].slots for view in seen)
        return heirs[0].server if agreed and len(heirs) == 1 else None

    def _join(self) -> None:
        for number, node in enumerate(self.nodes):
            tell(node, "SET-CONFIG-EPOCH", number + 1)
            tell(node, "MEET", "127.0.0.1", self.nodes[0].port)
        for number, node in enumerate(self.nodes[: self.masters]):
            first, end = (SLOTS * n // self.masters for n in (number, number + 1))
            tell(node, "ADDSLOTS", *range(first, end))
        self._until(lambda node: len(tell(node, "NODES")) == len(self.nodes))
        for replica in self.nodes[self.masters :]:
            tell(replica, "REPLICATE", tell(self._shard(replica)[0], "MYID"))
        self._until(self._shows_replicas)
        self._until(lambda node: node in self.nodes[self.masters :] or is_followed(node, len(self._shard(node)) - 1))
        self._until(lambda node: tell(node, "INFO")["cluster_state"] == "ok")

    def _shows_replicas(self, node: RedisServer) -> bool:
        shown = sum(len(replicas) for _start, _end, _primary, *replicas in tell(node, "SLOTS"))
        return shown == len(self.nodes) - self.masters

    def _until(self, condition: Callable[[RedisServer], bool]) -> None:
        until(lambda: all(map(condition, self.nodes)), "The cluster did not come together.")
