"""What happened when a hundred visitors came: who came when, who made the page, and what each of them got."""

import time
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from arcade.fleet import SIZE
from arcade.front_page import STALE, TTL
from arcade.scenarios import VISITORS, Scenario


@dataclass
class Lane:
    """One visitor: ``fate`` is "" on the way, then "made", "waited", "served", "old", "died" or "failed"."""

    who: int
    member: int
    came: float = 0.0
    back: float = 0.0
    page: str = ""
    fate: str = ""
    commands: list[str] = field(default_factory=list)
    trips: int = 0

    @property
    def took(self) -> float:
        """Milliseconds from coming to being served."""
        return (self.back - self.came) * 1000

    def told_in_brief(self) -> list[tuple[str, int]]:
        """Return the commands without their keys, in their order, and how often in a row each was sent."""
        return [(command, len(list(alike))) for command, alike in groupby(map(_brief, self.commands))]


@dataclass
class Making:
    """One call of the function, by a visitor or (0) behind the requests. ``fate``: "", "stored", "refused", "died"."""

    page: str
    member: int
    who: int
    began: float
    ended: float = 0.0
    fate: str = ""


@dataclass
class Run:
    """All of it. ``state`` is "preparing", "on", "over", or what went wrong; times are seconds since the epoch."""

    scenario: Scenario
    is_lenient: bool
    by: str
    lanes: dict[int, Lane] = field(default_factory=dict)
    makings: list[Making] = field(default_factory=list)
    marks: list[tuple[float, str]] = field(default_factory=list)
    pids: dict[int, int] = field(default_factory=dict)
    state: str = "preparing"
    began: float = 0.0
    ended: float = 0.0

    def __post_init__(self) -> None:
        each = VISITORS // SIZE
        self.lanes = {who: Lane(who, (who - 1) // each + 1) for who in range(1, VISITORS + 1)}

    @property
    def is_under_way(self) -> bool:
        """Whether there is something to wait for."""
        return self.state in ("preparing", "on")

    @property
    def is_complete(self) -> bool:
        """Whether everybody is back, and nobody makes the page any more."""
        is_made = not (self.is_lenient and self.scenario.page == "old") or bool(self.makings)
        return is_made and all(lane.fate for lane in self.lanes.values()) and all(one.ended for one in self.makings)

    @property
    def kept(self) -> str:
        """How the page is kept: its name in `PAGES`."""
        return "lenient" if self.is_lenient else "strict"

    @property
    def title(self) -> str:
        """What is tried, and how the page is kept."""
        return f"{self.scenario.title}{f', with stale={STALE:g}' if self.is_lenient else ''}"

    @property
    def waited(self) -> int:
        """How many waited for somebody else's call, and were woken."""
        return self._count("waited")

    @property
    def at_once(self) -> int:
        """How many had the page at once, though it be an old one."""
        return self._count("served") + self._count("old")

    @property
    def died(self) -> int:
        """How many died with their process."""
        return self._count("died")

    @property
    def longest(self) -> float:
        """Milliseconds after which the last one had the page."""
        return max((lane.took for lane in self.lanes.values() if lane.fate != "died"), default=0.0)

    @property
    def trips(self) -> int:
        """All round trips to Redis."""
        return sum(lane.trips for lane in self.lanes.values())

    @property
    def told(self) -> list[Lane]:
        """Those whose words are shown: who made the page in the end, and the slowest of the others."""
        lanes = [lane for lane in self.lanes.values() if lane.fate in ("made", "waited", "served", "old")]
        slowest = sorted(lanes, key=lambda lane: (lane.fate == "waited", lane.took), reverse=True)
        return [lane for lane in self._makers() if lane.fate == "made"][-1:] + slowest[:1]

    def note(self, event: dict[str, Any], member: int) -> None:
        """Take in what a process of the fleet says."""
        getattr(self, f"_{event['what']}", lambda event, member: None)(event, member)

    def settle(self, stored: str) -> None:
        """Note which page Redis has in the end; what was made besides was refused."""
        for one in self.makings:
            one.fate = one.fate or ("stored" if one.page == stored else "refused")

    def _makers(self) -> list[Lane]:
        return [self.lanes[one.who] for one in self.makings if one.who]

    def _count(self, fate: str) -> int:
        return sum(lane.fate == fate for lane in self.lanes.values())

    def _came(self, event: dict[str, Any], member: int) -> None:
        self.lanes[event["who"]].came = event["at"]

    def _makes(self, event: dict[str, Any], member: int) -> None:
        self.makings.append(Making(event["page"], member, event["who"], event["at"]))

    def _made(self, event: dict[str, Any], member: int) -> None:
        for one in self.makings:
            if one.page == event["page"]:
                one.ended = event["at"]

    def _served(self, event: dict[str, Any], member: int) -> None:
        lane = self.lanes[event["who"]]
        lane.back, lane.page = event["at"], event["page"]
        lane.commands, lane.trips = event["commands"], event["trips"]
        lane.fate = self._fate(lane, event["made_at"])

    def _fate(self, lane: Lane, made_at: float) -> str:
        if lane in self._makers():
            return "made"
        if any("lease.lua" in command for command in lane.commands):
            return "waited"
        return "old" if lane.came - made_at > TTL else "served"

    def _failed(self, event: dict[str, Any], member: int) -> None:
        lane = self.lanes[event["who"]]
        lane.back, lane.fate = event["at"], "failed"

    def _ended(self, event: dict[str, Any], member: int) -> None:
        """Nobody of a process that has ended comes back."""
        now = time.time()
        for lane in self.lanes.values():
            if lane.member == member and not lane.fate:
                lane.came, lane.back, lane.fate = lane.came or now, now, "died"
        for one in self.makings:
            if one.member == member and not one.ended:
                one.ended, one.fate = now, "died"


def _brief(command: str) -> str:
    verb, *words = command.split()
    return " ".join([verb, *(word for word in words[:1] if word.endswith(".lua"))])
