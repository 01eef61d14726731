"""Whatever dies, freezes or forgets: every task ends once, and what is dead is poison."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from django_redis_patterns.queues import Queue
from django_redis_patterns.testing.proxy import FaultProxy
from django_redis_patterns.testing.servers import RedisServer
from tests.core.worker.conftest import until
from tests.core.worker.storm import JOURNAL, Storm

from .torture import QUEUES, Verdict, enqueue, judge, read

PROGRAM = ["tests.queues.tortured", "redis", "worker", "--threads", "4"]
SEED = 9
KILLS = {"child": 100, "supervisor": 50, "tree": 50}
REST = {"freeze_child": 3, "freeze_tree": 5, "stop": 12, "restart": 3, "forget": 3, "cut": 30, "hang_up": 6}
FEW = {"child": 2, "supervisor": 1, "tree": 1, "freeze_tree": 1, "stop": 1, "restart": 1, "forget": 1, "cut": 4}


@pytest.fixture
def storm(tmp_path: Path) -> Iterator[Storm]:
    server = RedisServer(options=JOURNAL)
    with server, FaultProxy(server.port) as proxy, override_settings(REDIS_PATTERNS=connected(server)):
        storm = Storm(tmp_path, server, PROGRAM, SEED, proxy)
        try:
            yield storm
        finally:
            storm.end()
            print((tmp_path / "log").read_text()[-20_000:])  # which pytest shows when the test has failed


def connected(server: RedisServer) -> dict[str, Any]:
    return {"CONNECTIONS": {"default": server.connection}}


def is_done() -> bool:
    return all(sum(Queue(name).stats()[:4]) == 0 for name in QUEUES)


def torment(storm: Storm, tasks: int, faults: dict[str, int]) -> None:
    """Enqueue *tasks* between *faults*, and judge when all is quiet."""
    order = [fault for fault, count in faults.items() for _ in range(count)]
    storm.draw.shuffle(order)
    for number, fault in enumerate(order):
        known = len(storm.lines())
        for task in range(number * tasks // len(order), (number + 1) * tasks // len(order)):
            enqueue(task)
        until(lambda known=known: len(storm.lines()) > known)  # so that there is something to be hit
        storm.strike(fault)
    assert storm.struck == faults, "void: not everything was struck"
    until(is_done, 100)
    lines, found = storm.lines(), read(storm.server)
    again = sum(line.startswith("began") for line in lines) - len(found.pushed)
    assert again > 0, "void: no fault has hit anything"
    assert judge(range(tasks), lines, found) == Verdict()
    assert [program.stop() for program in storm.programs] == [0, 0, 0]
    assert left(storm.server) == set()


def left(server: RedisServer) -> set[str]:
    """Return the keys that have no end, when dead letters are thrown away."""
    for queue in map(Queue, QUEUES):
        queue.discard(*(letter.id for letter in queue.dead(1000)))
    with server.client(decode_responses=True) as client:
        return {key for key in client.scan_iter() if client.ttl(key) < 0}


@pytest.mark.timeout(240)
def test_a_little_torture(storm: Storm) -> None:
    torment(storm, 400, FEW)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_torture(storm: Storm) -> None:
    """With ``TORTURE=whole`` all of it, else a quarter."""
    part = 1 if os.environ.get("TORTURE") == "whole" else 4
    torment(storm, 20_000 // part, {fault: math.ceil(count / part) for fault, count in (KILLS | REST).items()})
