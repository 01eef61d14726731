"""The picture of a run: a lane for each visitor, time from left to right, in a box whose unit is a millisecond wide."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from arcade.fleet import SIZE
from arcade.runs import Lane, Making, Run

ROW, BAR, THICK, GAP = 6, 4, 16, 14  # heights: of a lane, what is in it, the page being made, between two processes
LABELS = {"": "makes it", "stored": "made it", "refused": "too late: refused", "died": "killed"}
KINDS = {"": "wait", "made": "wait", "waited": "wait", "served": "hit", "old": "old", "died": "died", "failed": "died"}


@dataclass(frozen=True)
class Bar:
    """A piece of a lane. ``kind`` is how it looks."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True)
class Label:
    """Some words at a place, in percent of the picture."""

    x: float
    y: float
    text: str
    kind: str = ""


@dataclass(frozen=True)
class Picture:
    """What is drawn. ``hidden``: the share of it that is still to come, which is uncovered in ``left`` seconds."""

    width: float
    height: float
    bars: list[Bar]
    processes: list[Label]
    makings: list[Label]
    marks: list[Label]
    ticks: list[Label]
    hidden: float
    left: float

    @property
    def kinds(self) -> set[str]:
        """The kinds of bars that are in it."""
        return {bar.kind for bar in self.bars}


def picture(run: Run | None) -> Picture | None:
    """Return the picture of *run* as far as it has come; None before anybody has."""
    if run is None or not run.began:
        return None
    return _Drawing(run).picture()


class _Drawing:
    def __init__(self, run: Run) -> None:
        self.run = run
        self.now = max(0.0, (run.ended or time.time()) - run.began) * 1000
        expected = max(run.scenario.lasts * 1250, self.now * 1.1)
        self.span = expected if run.is_under_way else self.now * 1.01
        each = len(run.lanes) // SIZE + 1  # one for who makes it behind the requests
        self.band = each * ROW + GAP
        self.height = self.band * SIZE - GAP

    def picture(self) -> Picture:
        run, is_moving = self.run, self.run.is_under_way
        return Picture(
            width=self.span,
            height=self.height,
            bars=[bar for lane in run.lanes.values() for bar in self._lane(lane)]
            + list(map(self._making, run.makings)),
            processes=[
                Label(0, 100 * (number - 1) * self.band / self.height, str(pid)) for number, pid in run.pids.items()
            ],
            makings=[self._label(one) for one in run.makings],
            marks=[Label(self._percent(at), 0, what, what) for at, what in run.marks],
            ticks=list(self._ticks()),
            hidden=max(0.0, 1 - self.now / self.span) if is_moving else 0.0,
            left=max(0.0, self.span - self.now) / 1000 if is_moving else 0.0,
        )

    def _lane(self, lane: Lane) -> Iterator[Bar]:
        if not lane.came:
            return
        y, began, ended = self._y(lane.who, lane.member), self._x(lane.came), self._x(lane.back)
        yield Bar(began, y, ended - began, BAR, KINDS[lane.fate])
        if lane.back and lane.fate != "died":
            yield Bar(ended - self.span * 0.005, y, self.span * 0.005, BAR, "back")

    def _making(self, one: Making) -> Bar:
        began, ended = self._x(one.began), self._x(one.ended)
        y = self._y(one.who, one.member) - (THICK - BAR) / 2
        return Bar(began, y, ended - began, THICK, one.fate or "making")

    def _label(self, one: Making) -> Label:
        text = LABELS[one.fate] if one.who else LABELS[one.fate].replace(" it", " it behind the requests")
        y = self._y(one.who, one.member) + BAR / 2
        return Label(self._percent(one.began), 100 * y / self.height, text, one.fate or "making")

    def _ticks(self) -> Iterator[Label]:
        step = next(step for step in (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000) if self.span / step <= 6)
        for ms in range(0, int(self.span * 0.88), step):
            yield Label(100 * ms / self.span, 0, f"{ms / 1000:g} s" if step >= 500 else f"{ms} ms")

    def _y(self, who: int, member: int) -> float:
        """The first lane of a process is that of nobody: who makes the page behind the requests."""
        return (member - 1) * self.band + ((who - 1) % (len(self.run.lanes) // SIZE) + 1 if who else 0) * ROW

    def _x(self, at: float) -> float:
        """Return where a moment is, and for one that is still to come the end."""
        return round((at - self.run.began) * 1000, 1) if at else self.span

    def _percent(self, at: float) -> float:
        return 100 * self._x(at) / self.span
