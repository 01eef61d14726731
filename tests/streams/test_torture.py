"""Whatever dies, freezes or forgets: every event is handled, acknowledged once, and those of a key in their order."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from django_redis_patterns.exceptions import RedisUnavailable
from django_redis_patterns.testing.servers import RedisServer
from tests.core.worker.conftest import until
from tests.core.worker.storm import JOURNAL, Storm

from .torture import Sent, Verdict, acknowledged, judge
from .tortured import GROUPS, plays

SEED, KEYS, POISON = 8, 40, 500
PROGRAM = ["tests.streams.tortured", "redis", "consume"]
ALL = {"child": 26, "supervisor": 12, "tree": 12, "freeze_child": 3, "freeze_tree": 5, "restart": 2, "forget": 3}
FEW = {"child": 2, "supervisor": 1, "tree": 1, "freeze_tree": 1, "restart": 1, "forget": 1}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Storm]:
    with RedisServer(options=JOURNAL) as server:
        connections = {"CONNECTIONS": {"default": server.connection}}
        with override_settings(REDIS_PATTERNS=connections):
            site = Storm(tmp_path, server, PROGRAM, SEED)
            try:
                yield site
            finally:
                site.end()
                print((tmp_path / "log").read_text()[-20_000:])  # which pytest shows when the test has failed


def send(numbers: range) -> list[Sent]:
    """Append an event for each number, whatever the server is at."""
    return [
        _sent(number, {"number": number, "key": number % KEYS, "is_poison": number % POISON == 7}) for number in numbers
    ]


def _sent(number: int, data: Any) -> Sent:
    while True:
        with suppress(RedisUnavailable):
            return Sent(plays.append(data, idempotency_key=str(number)), number, data["key"], data["is_poison"])
        time.sleep(0.05)


def is_done() -> bool:
    lags = [plays.lag(group) for group in plays.groups()]
    return len(lags) == len(GROUPS) and not any(lag.events or lag.pending for lag in lags)


def torment(site: Storm, events: int, faults: dict[str, int]) -> None:
    """Append *events* between *faults*, and judge when all is quiet."""
    order = [fault for fault, count in faults.items() for _ in range(count)]
    site.draw.shuffle(order)
    sent: list[Sent] = []
    for number, fault in enumerate(order):
        known = len(site.lines())
        sent += send(range(number * events // len(order), (number + 1) * events // len(order)))
        until(lambda known=known: len(site.lines()) > known)  # so that there is something to be hit
        site.strike(fault)
    assert site.struck == faults, "void: not everything was struck"
    until(is_done, 100)
    lines = site.lines()
    again = sum(line.startswith("began") for line in lines) - len(sent) * len(GROUPS)
    assert again > 0, "void: no fault has hit anything"
    dead = {group: [letter.event_id for letter in plays.dead(group)] for group in GROUPS}
    assert judge(sent, lines, acknowledged(site.server), dead) == Verdict()
    assert [program.stop() for program in site.programs] == [0, 0, 0]
    assert left(site.server) == {"plays", "checkpoints", "seen", "dead"}


def left(server: RedisServer) -> set[str]:
    """Return the parts of the keys that have no end; who was killed last is forgotten within a day."""
    with server.client(decode_responses=True) as client:
        keys = [key for key in client.scan_iter() if client.ttl(key) < 0]
    return {key.split(":")[3] if key.count(":") > 2 else "plays" for key in keys} - {"live"}


@pytest.mark.timeout(240)
def test_a_little_torture(site: Storm) -> None:
    torment(site, 600, FEW)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_torture(site: Storm) -> None:
    torment(site, 20_000, ALL)
