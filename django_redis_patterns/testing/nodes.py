"""What the nodes of a cluster say of it, each for itself."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import redis

from django_redis_patterns.testing.servers import RedisServer, ServerError


@dataclass(frozen=True)
class View:
    """A cluster as one of its nodes sees it. Nodes are named by their ids."""

    server: RedisServer
    id: str
    is_primary: bool
    primary_id: str | None  # for a replica: of its primary
    epoch: int
    is_ok: bool
    slots: dict[str, list[list[str]]]  # first and last of each range, or the only one

    def owner_id(self, slot: int) -> str | None:
        ranges = ((owner, piece) for owner, pieces in self.slots.items() for piece in pieces)
        return next((owner for owner, (first, *_, last) in ranges if int(first) <= slot <= int(last)), None)


def tell(server: RedisServer, word: str, *args: Any, **options: Any) -> Any:
    """Run a ``CLUSTER`` command on that node."""
    with server.client(**options) as client:
        return client.execute_command(f"CLUSTER {word}", *args)


def views(servers: Iterable[RedisServer]) -> list[View]:
    """Return what those nodes see that answer within a second."""
    seen = []
    for server in servers:
        with suppress(redis.RedisError):
            seen.append(_view(server))
    return seen


def owner(seen: Iterable[View], slot: int) -> View:
    """Return the view of the primary that says it has the slot; of several, the one that got it last."""
    claims = [view for view in seen if view.is_primary and view.owner_id(slot) == view.id]
    if not claims:
        raise ServerError(f"No node that answers has slot {slot}.")
    return max(claims, key=lambda view: view.epoch)


def _view(server: RedisServer) -> View:
    told = tell(server, "NODES", socket_timeout=1).values()
    state = tell(server, "INFO", socket_timeout=1)["cluster_state"]
    mine = next(node for node in told if "myself" in node["flags"])
    is_primary = "master" in mine["flags"].split(",")
    return View(
        server=server,
        id=mine["node_id"],
        is_primary=is_primary,
        primary_id=None if is_primary else mine["master_id"],
        epoch=int(mine["epoch"]),
        is_ok=state == "ok",
        slots={node["node_id"]: _ranges(node["slots"]) for node in told if node["slots"]},
    )


def _ranges(slots: list[list[str]]) -> list[list[str]]:
    return [[piece[0], piece[-1]] for piece in slots]
