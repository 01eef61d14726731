"""Sends a hundred visitors to the page at one moment, from the processes of the fleet, and does what a scenario says.

One herd at a time in the whole site: a lock. What happened is known in the process that sent them.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from arcade.actions import Refused
from arcade.fleet import Fleet, Member
from arcade.front_page import MAKE, PAGES, TTL
from arcade.runs import Run
from arcade.scenarios import SCENARIOS, VISITORS
from arcade.topics import CacheTopic
from django_redis_patterns.caching import Stats
from django_redis_patterns.exceptions import RedisPatternsError
from django_redis_patterns.locks import Held, LockLost, LockTimeout, lock

TOPIC = CacheTopic(page="herd")
PATIENCE = 20.0  # s for each step; only what went wrong takes that long
DEATH = 0.3 * MAKE  # s for which a leader lives that is to be killed


class Trouble(Exception):
    """The run cannot go on. The message is for the player."""


class Herd:
    """The run that is on, or the last one."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self._fleet = Fleet()
        self._news = threading.Condition()
        self._ready: set[Member] = set()
        self._answers: dict[str, list[dict[str, Any]]] = {}
        self._counts: dict[str, Stats] = {}

    def send(self, scenario: str, *, is_lenient: bool, by: str) -> None:
        """Send the visitors, and return while they are on their way. Raises Refused while others are."""
        try:
            held = lock("herd", ttl=5, wait=0).acquire()
        except LockTimeout:
            raise Refused(f"{VISITORS} visitors are on their way already. Watch them, then send the next.") from None
        self.run = Run(SCENARIOS[scenario], is_lenient, by)
        threading.Thread(target=self._send, args=(self.run, held), name="herd", daemon=True).start()

    def close(self) -> None:
        """End the processes that visitors come from."""
        self._fleet.dismiss()

    def counted(self, page: str, known: Stats) -> Stats:
        """Return what Redis knows of *page*, or more if the fleet has said more than it has told Redis."""
        return _more(known, self._counts.get(page, Stats()))

    def hear(self, member: Member, event: dict[str, Any]) -> None:
        """Take in what a process of the fleet says."""
        with self._news:
            if event["what"] == "ready":
                self._ready.add(member)
            elif event["what"] == "ended":
                self._ready.discard(member)
                self._fleet.lose(member)
            elif event["what"] in self._answers:
                self._answers[event["what"]].append(event)
            if self.run and self.run.state == "on":
                self.run.note(event, member.number)
            self._news.notify_all()
        if event["what"] in ("makes", "made"):
            _tell(event["what"])

    def _send(self, run: Run, held: Held) -> None:
        try:
            self._go(run)
            run.state = "over"
        except Trouble as trouble:
            run.state = str(trouble)
        except (RedisPatternsError, OSError) as error:
            run.state = f"It came to an end before its time: {error}"
        finally:
            if run.is_under_way:
                run.state = "It came to an end before its time."
            run.ended = run.ended or time.time()
            if run.state == "over":
                self._fleet.rest()
            else:
                self._fleet.dismiss()  # so that nobody is late for the next one
            with suppress(LockLost, RedisPatternsError):  # then it ends by itself
                held.release()
            _tell("over")

    def _go(self, run: Run) -> None:
        self._prepare(run)
        at = time.time() + 0.2
        run.began, run.state = at, "on"
        for member in self._members():
            mine = [lane.who for lane in run.lanes.values() if lane.member == member.number]
            member.order("visit", page=run.kept, visitors=mine, at=at)
        _tell("sent")
        if run.scenario.name in _INTERFERE:
            self._until(lambda: bool(run.makings), "Nobody made the page.")
            _INTERFERE[run.scenario.name](self, run)
        self._until(lambda: run.is_complete, "Not everybody came back.")
        run.ended = max(*(lane.back for lane in run.lanes.values()), *(one.ended for one in run.makings), at)
        run.settle((PAGES[run.kept].peek() or {}).get("id", ""))
        self._count(run.kept)

    def _prepare(self, run: Run) -> None:
        _tell("preparing")
        self._fleet.muster(self.hear)
        self._until(lambda: self._ready.issuperset(self._members()), "The processes did not start.")
        run.pids = {member.number: member.pid for member in self._members()}
        if run.scenario.page == "cold":
            PAGES[run.kept].invalidate()
        else:
            self._ask(self._members()[:1], "prepare", "prepared", run.kept)
        if run.scenario.page == "old":
            time.sleep(TTL + 0.1)

    def _invalidate(self, run: Run) -> None:
        time.sleep(max(0.0, run.makings[0].began + MAKE / 2 - time.time()))
        run.marks.append((time.time(), "invalidated"))
        PAGES[run.kept].invalidate()
        _tell("invalidated")

    def _kill(self, run: Run) -> None:
        time.sleep(max(0.0, run.makings[0].began + DEATH - time.time()))
        run.marks.append((time.time(), "killed"))
        self._fleet.members[run.makings[0].member].kill()
        _tell("killed")

    def _count(self, page: str) -> None:
        """Ask each process how often what happened: all know what Redis knows, and each its own besides."""
        known = PAGES[page].stats()
        counts = vars(known).copy()
        for answer in self._ask(self._members(), "count", "counted", page):
            for what, number in answer["stats"].items():
                counts[what] += number - getattr(known, what)
        # What a process that was killed had not told yet is known from the count before.
        self._counts[page] = self.counted(page, Stats(**counts))

    def _ask(self, members: list[Member], do: str, answer: str, page: str) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        self._answers = {answer: answers}
        for member in members:
            member.order(do, page=page)
        self._until(lambda: len(answers) >= len(members), "The processes do not answer.")
        return answers

    def _members(self) -> list[Member]:
        return list(self._fleet.members.values())

    def _until(self, is_so: Callable[[], bool], otherwise: str) -> None:
        with self._news:
            if not self._news.wait_for(is_so, PATIENCE):
                raise Trouble(otherwise)


_INTERFERE = {"late": Herd._invalidate, "kill": Herd._kill}
herd = Herd()


def _more(one: Stats, other: Stats) -> Stats:
    return Stats(**{what: max(number, getattr(other, what)) for what, number in vars(one).items()})


def _tell(what: str) -> None:
    with suppress(RedisPatternsError):  # then pages see it when they look again
        TOPIC.publish(what)
