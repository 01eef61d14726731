"""``manage.py redis doctor`` on clusters and behind sentinels, and what it says about hosts far away."""

import re
from typing import Any

import pytest

from django_redis_patterns.conf import Connection
from django_redis_patterns.core.connections.options import resolve
from django_redis_patterns.management.doctor import safety
from django_redis_patterns.testing.cluster import RedisCluster
from django_redis_patterns.testing.sentinel import SentinelTrio
from django_redis_patterns.testing.servers import RedisServer, has_tls
from django_redis_patterns.testing.tls import Authority

from .conftest import WELL, Doctor, levels


@pytest.mark.cluster
def test_a_cluster(doctor: Doctor) -> None:
    """Each primary is asked; what they have in common is said once. With one node less, the state is told."""
    with RedisCluster(masters=3, replicas=0) as cluster:
        document = doctor.document(default={"CLUSTER": cluster.urls})
        (connection,) = document["connections"]
        values = {one["topic"]: one["values"] for one in connection["findings"]}
        assert values["topology"] == {"kind": "cluster", "primaries": 3, "replicas": 0, "state": "ok"}
        assert [one["topic"] for one in connection["findings"]].count("persistence") == 1
        assert [one["topic"] for one in connection["findings"]].count("latency") == 3
        assert {levels(room["findings"])["rights"] for room in document["rooms"]} == {"ok"}
        cluster.nodes[0].kill()
        assert doctor.document(default={"CLUSTER": cluster.urls[1:]})["errors"]


def test_sentinels(doctor: Doctor) -> None:
    """It says who is the primary and how many sentinels answer; none of them is an error."""
    with SentinelTrio(options=WELL) as trio:
        (topology,) = topologies(doctor, trio.connection)
        assert topology["level"] == "ok"
        expected = {"kind": "sentinel", "sentinels": 3, "answering": 3, "primary": f"127.0.0.1:{trio.primary.port}"}
        assert topology["values"] == expected
        trio.sentinels[0].kill()
        (topology,) = topologies(doctor, trio.connection)
        assert (topology["level"], topology["values"]["answering"]) == ("warning", 2)
        for one in trio.sentinels[1:]:
            one.kill()
        (topology,) = topologies(doctor, trio.connection)
        assert (topology["level"], topology["values"]["answering"]) == ("error", 0)


def topologies(doctor: Doctor, where: Any) -> list[dict[str, Any]]:
    document = doctor.document(default=where)
    return [one for one in document["connections"][0]["findings"] if one["topic"] == "topology"]


@pytest.mark.skipif(not has_tls(), reason="a server without TLS")
def test_tls(doctor: Doctor) -> None:
    """A certificate that is trusted is well; one that is not is a refusal, and its reason is told."""
    with Authority() as authority, RedisServer(tls=authority, options=WELL) as server:
        assert doctor.document(default=server.connection)["errors"] == 0
        document = doctor.document(default=server.url)
    found = document["connections"][0]["findings"]
    assert found[0]["values"] == {"denied": True}
    assert "certificate verify failed" in found[0]["text"].lower()


@pytest.mark.parametrize(
    ("given", "nodes", "expected"),
    [
        ({"url": "redis://10.0.0.7:6379"}, [], {"tls": "warning", "login": "warning"}),
        ({"url": "redis://:pass@10.0.0.7:6379"}, [], {"tls": "warning", "login": "ok"}),
        ({"url": "rediss://:pass@redis.example:6379"}, [], {"tls": "ok", "login": "ok"}),
        ({"url": "rediss://redis.example?ssl_cert_reqs=none"}, [], {"tls": "error", "login": "warning"}),
        ({"url": "redis://[::1]:6379"}, [], {"tls": "ok", "login": "ok"}),
        ({"path": "/run/redis.sock"}, ["/run/redis.sock"], {"tls": "ok", "login": "ok"}),
        ({"sentinels": ("localhost:1",), "service": "x"}, [], {"tls": "ok", "login": "ok"}),
        ({"sentinels": ("localhost:1",), "service": "x"}, ["10.0.0.7:6379"], {"tls": "warning", "login": "warning"}),
        ({"cluster": ("redis://localhost:1",)}, ["10.0.0.7:6379"], {"tls": "warning", "login": "warning"}),
    ],
)
def test_who_may_listen_in(given: dict[str, Any], nodes: list[str], expected: dict[str, str]) -> None:
    """What leaves the host without TLS, and who needs no password."""
    found = safety.examine(resolve("x", Connection(**given)), nodes)
    assert levels([one.document() for one in found]) == expected


def test_a_cure_is_in_every_warning() -> None:
    found = [*safety.examine(resolve("x", Connection(url="redis://10.0.0.7")), [])]
    assert all(re.search(r"rediss://|PASSWORD", one.cure) for one in found)
