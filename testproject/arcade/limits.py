"""The four ways of counting that the rate limit machine shows, all with one rate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from django_redis_patterns.core.client_ip import client_network
from django_redis_patterns.core.operations import batch
from django_redis_patterns.ratelimit import Decision, Limiter, Rate
from django_redis_patterns.ratelimit.identity import Identity

RATE = Rate.parse("10/10s")
MOST = 5  # hits at once


@dataclass(frozen=True)
class Lane:
    """One algorithm; ``shape`` says what its picture has: a window that slides, one that is fixed, or a bucket."""

    algorithm: Any
    title: str
    promise: str
    shape: str

    @property
    def limiter(self) -> Limiter:
        """What counts."""
        return Limiter("playground", RATE, algorithm=self.algorithm)


LANES = (
    Lane("sliding", "Sliding window", "Never more than ten in any ten seconds. Small: it counts in slices.", "window"),
    Lane("log", "Exact log", "The same, to the microsecond: it keeps every hit.", "window"),
    Lane("fixed", "Fixed window", "Ten in each window; twice as many may meet where two windows touch.", "fixed"),
    Lane("bucket", "Bucket", "Ten at once, and one more every second.", "bucket"),
)


@dataclass(frozen=True)
class Reading:
    """What came of the hits of one visitor on a lane, and how it stands now. Times are in milliseconds."""

    lane: Lane
    decisions: Sequence[Decision]

    def told(self) -> dict[str, Any]:
        """Return it for the page's script."""
        tightest = min(self.decisions, key=lambda decision: decision.remaining)
        return {
            "hits": [bool(decision) for decision in self.decisions],
            "remaining": tightest.remaining,
            "frees": round(max(decision.retry_after for decision in self.decisions) * 1000),
            "resets": round(tightest.reset_after * 1000),
        }


def hit(request: HttpRequest, times: int) -> list[Reading]:
    """Hit every lane *times*, in one trip."""
    return _together(request, "hit", range(times))


def look(request: HttpRequest) -> list[Reading]:
    """Return how every lane stands, in one trip."""
    return _together(request, "peek", range(1))


def start_over(request: HttpRequest) -> None:
    """Forget the visitor's hits, in one trip."""
    who = _visitor(request)
    with batch() as together:
        for lane in LANES:
            together(lane.limiter.reset, who)


def _together(request: HttpRequest, act: str, times: Iterable[int]) -> list[Reading]:
    who = _visitor(request)
    with batch() as together:
        pending = [(lane, [together(getattr(lane.limiter, act), who) for _ in times]) for lane in LANES]
    return [Reading(lane, [one.value for one in decisions]) for lane, decisions in pending]


def _visitor(request: HttpRequest) -> Identity:
    """Return the player, else the address: two windows of one visitor share their limits."""
    if request.user.is_authenticated:
        return ("user", str(request.user.pk))
    return ("ip", client_network(request) or "unknown")
