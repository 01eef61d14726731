"""When a replica may be relied on."""

from typing import Any

from django_redis_patterns.testing.servers import RedisServer


def is_followed(primary: RedisServer, replicas: int) -> bool:
    """Have that many replicas acknowledged something? Only then is what the primary writes sent to them at once.

    Before, although their link is up, it is kept back for up to a second, and would be lost with the primary.
    """
    with primary.client() as client:
        told: Any = client.info("replication")
    heard = [told[f"slave{number}"] for number in range(told["connected_slaves"])]
    return len(heard) == replicas and all(one["state"] == "online" and one["offset"] > 0 for one in heard)
