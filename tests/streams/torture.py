"""The torture of streams: programs that consume and are struck, what they wrote down, and the judge of it.

Two witnesses stand outside of Redis: the diary, into which handlers append lines, and the server's own journal, its
append-only file, in which each acknowledgement stands that ever took effect.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django_redis_patterns.testing.servers import RedisServer
from tests.core.worker.storm import journal

from .tortured import GROUPS


def acknowledged(server: RedisServer) -> Counter[tuple[str, str]]:
    """Return how often each event was acknowledged by each group, as the server's journal has it."""
    found: Counter[tuple[str, str]] = Counter()
    for name, *words in journal(server):
        if name.upper() == b"XACK":
            found.update((words[1].decode(), id.decode()) for id in words[2:])
    return found


@dataclass(frozen=True)
class Sent:
    """An event that was appended; those of one *key* have an order, and *is_poison* always fails."""

    id: str
    number: int
    key: int
    is_poison: bool = False


@dataclass(frozen=True)
class Verdict:
    """How many events each fault has hit."""

    lost: int = 0
    acknowledged_never: int = 0
    acknowledged_again: int = 0
    out_of_order: int = 0
    dead_alive: int = 0
    poison_alive: int = 0


def judge(
    sent: Iterable[Sent], lines: Iterable[str], acks: Mapping[tuple[str, str], int], dead: Mapping[str, Iterable[str]]
) -> Verdict:
    """Judge what was written in the diary, the journal, and of dead letters; each fault once for each group."""
    sent, began, ended = list(sent), {}, {}
    for place, line in enumerate(lines):
        what, group, number = line.split()
        (began if what == "began" else ended).setdefault((group, int(number)), place)
    healthy = [event for event in sent if not event.is_poison]
    counts: Counter[str] = Counter()
    for group in GROUPS:
        letters = set(dead[group])
        counts["lost"] += sum((group, event.number) not in ended for event in healthy)
        counts["acknowledged_never"] += sum(acks.get((group, event.id), 0) == 0 for event in sent)
        counts["acknowledged_again"] += sum(acks.get((group, event.id), 0) > 1 for event in sent)
        counts["dead_alive"] += sum(event.id in letters for event in healthy)
        counts["poison_alive"] += sum(event.is_poison and event.id not in letters for event in sent)
    counts["out_of_order"] = sum(_disorder(began, ended, lane) for lane in _lanes(healthy))
    return Verdict(**counts)


def _lanes(events: Iterable[Sent]) -> Iterable[list[int]]:
    lanes: dict[int, list[int]] = {}
    for event in events:
        lanes.setdefault(event.key, []).append(event.number)
    return lanes.values()


def _disorder(began: Mapping[tuple[str, int], int], ended: Mapping[tuple[str, int], int], lane: list[int]) -> int:
    """Return how many of a lane began before the one in front of them had ended."""
    never: Any = float("inf")
    places = [(began.get(("ordered", number), never), ended.get(("ordered", number), never)) for number in lane]
    return sum(later[0] < earlier[1] for earlier, later in pairwise(places))
