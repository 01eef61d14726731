"""A slot that two primaries of a cluster share for a while."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from django_redis_patterns.testing.nodes import owner, tell, views
from django_redis_patterns.testing.servers import PATIENCE, RedisServer
from django_redis_patterns.testing.waiting import until


class Migration:
    """Moves a slot of the cluster of *nodes* to the primary *to*; begun with its block, and ended with it in any case.

    with cluster.migration(slot_of("{a}1"), to) as migration:
        ...                          # ASK for what is not there yet
        migration.move_keys("{a}1")
        ...                          # ASK for {a}1, TRYAGAIN for {a}1 and {a}2 together
    ...                              # MOVED
    """

    def __init__(self, nodes: Sequence[RedisServer], slot: int, to: RedisServer) -> None:
        self.slot = slot
        self.target = to
        self._nodes = nodes

    def begin(self) -> Self:
        """Open the slot on both sides. Raises `ValueError` when *to* is a replica, or has the slot."""
        seen = views(self._nodes)
        source = owner(seen, self.slot)
        target = next(view for view in seen if view.server is self.target)
        if source is target or not target.is_primary:
            raise ValueError(f"Slot {self.slot} can be moved to another primary only.")
        self.source, self._target_id = source.server, target.id
        self._set(self.target, "IMPORTING", source.id)
        self._set(self.source, "MIGRATING", target.id)
        return self

    def move_keys(self, *keys: str | bytes) -> None:
        """Move these keys, else all that the source still has in the slot. The slot stays open."""
        if keys:
            self._migrate(keys)
            return
        while rest := tell(self.source, "GETKEYSINSLOT", self.slot, 1000):
            self._migrate(rest)

    def end(self) -> None:
        """Move what is left and give the slot to *to*; return when every node that answers says so."""
        self.move_keys()
        primaries = [view.server for view in views(self._nodes) if view.is_primary]
        for server in dict.fromkeys([self.target, self.source, *primaries]):
            self._set(server, "NODE", self._target_id)
        until(self._is_known, f"Not every node learnt that slot {self.slot} has moved.")

    def _is_known(self) -> bool:
        return all(view.owner_id(self.slot) == self._target_id for view in views(self._nodes))

    def _set(self, server: RedisServer, word: str, node_id: str) -> None:
        tell(server, "SETSLOT", self.slot, word, node_id)

    def _migrate(self, keys: Sequence[Any]) -> None:
        with self.source.client() as client:
            client.execute_command("MIGRATE", "127.0.0.1", self.target.port, "", 0, int(PATIENCE * 1000), "KEYS", *keys)

    def __enter__(self) -> Self:
        return self.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
