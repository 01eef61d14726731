"""How far away a server is, in time; and whether it has the same time."""

import time
from collections.abc import Iterator
from typing import Any

from .findings import Finding, ok, warning
from .topology import Node

PINGS = 100
LONGEST = 2.0  # seconds for all of them
SLOW_MS = 20.0
SKEW = 1.0  # seconds


def latency(node: Node) -> Iterator[Finding]:
    """How long a round trip takes."""
    node.client.ping()  # the first one connects
    end, taken = time.monotonic() + LONGEST, list[float]()
    while len(taken) < PINGS and (not taken or time.monotonic() < end):
        started = time.perf_counter()
        node.client.ping()
        taken.append((time.perf_counter() - started) * 1000)
    p50, p95, p99 = (_percentile(taken, share) for share in (0.5, 0.95, 0.99))
    text = f"p50 {p50:.2f} ms, p95 {p95:.2f} ms, p99 {p99:.2f} ms, of {len(taken)} PINGs"
    values: dict[str, Any] = {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "pings": len(taken)}
    if p50 > SLOW_MS:
        yield warning("latency", text, "Every trip costs a page that much: move them closer together.", **values)
    else:
        yield ok("latency", text, **values)


def clock(node: Node) -> Iterator[Finding]:
    """By how much the server's clock is ahead of this host's; the answer is taken to be half a trip old."""
    before = time.time()
    seconds, micros = _time(node)
    after = time.time()
    skew = seconds + micros / 1_000_000 - (before + after) / 2
    text = f"{abs(skew):.3f} s {'ahead of' if skew > 0 else 'behind'} this host"
    if abs(skew) > SKEW:
        yield warning("clock", text, "Have NTP set both clocks: sessions and windows end by them.", skew_s=skew)
    else:
        yield ok("clock", text, skew_s=skew)


def _time(node: Node) -> tuple[int, int]:
    told: Any = node.client.time()
    return told[0], told[1]


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]
