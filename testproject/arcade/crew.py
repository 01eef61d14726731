"""The machines whose processes consume, and what became of those that were killed."""

import threading
from collections import deque
from collections.abc import Iterator, Set
from contextlib import contextmanager
from functools import partial

from arcade.actions import Refused
from arcade.events import TOPIC
from arcade.incidents import Incident, Look, Work
from arcade.machines import Machine, pid_of

BUGGY, MENDED = 1, 2  # releases
REMEMBERED = 3


class Crew:
    """All of them, by number. ``release`` was deployed last, and ``is_deploying`` tells whether that goes on still."""

    def __init__(self) -> None:
        self.machines: dict[int, Machine] = {}
        self.release, self.is_deploying = BUGGY, False
        self.incidents: deque[Incident] = deque(maxlen=REMEMBERED)
        self._guard = threading.Lock()
        self._homes: dict[str, int] = {}

    @contextmanager
    def working(self, size: int) -> Iterator[None]:
        """Run that many machines while the block lasts."""
        self.machines = {number: Machine(number) for number in range(1, size + 1)}
        for machine in self.machines.values():
            machine.start(self.release)
        try:
            yield
        finally:
            with self._guard:
                machines, self.machines = list(self.machines.values()), {}
                _shut_down(machines)

    def home_of(self, name: str) -> int:
        """Return the number of the machine that runs, or ran, the consumer *name*; 0: none of these."""
        if name not in self._homes:
            home = next((machine.number for machine in self.machines.values() if machine.runs(name)), 0)
            if not home:
                return 0
            self._homes[name] = home
        return self._homes[name]

    def kill(self, pid: int, look: Look) -> Incident:
        """Kill one process; *look* returns what those have in hand that are meant. Raises Refused."""
        for name in [one for one in list(self._homes) if pid_of(one) == pid]:
            machine = self.machines.get(self._homes[name])
            work = machine and machine.kill(name, partial(look, name.__eq__))
            if work is not None:
                return self._note(f"Process {pid}", work)
        raise Refused("That is no process of these machines, or it is gone already.")

    def pull_the_plug(self, number: int, look: Look) -> Incident:
        """Kill a whole machine; the same."""
        machine = self._machine(number)
        with self._guarded():
            work = machine.pull_the_plug(partial(look, lambda name: self.home_of(name) == number))
            if work is None:
                raise Refused(f"Machine {number} is off already.")
            machine.wait()
        return self._note(f"Machine {number}", work)

    def switch_on(self, number: int) -> None:
        """Start a machine that is off. Raises Refused."""
        machine = self._machine(number)
        with self._guarded():
            if machine.is_on:
                raise Refused(f"Machine {number} is on already.")
            machine.start(self.release)
        TOPIC.publish("switched")

    def deploy(self, release: int) -> None:
        """Let the machines finish and start with *release*, one after the other, behind the request. Raises Refused."""
        with self._guarded():
            if release == self.release:
                raise Refused(f"Release {release} is deployed already.")
            self.release, self.is_deploying = release, True
        threading.Thread(target=self._deploy, name="deploy", daemon=True).start()

    def _deploy(self) -> None:
        try:
            with self._guard:
                for machine in self.machines.values():
                    if machine.is_on:
                        _shut_down([machine])
                        machine.start(self.release)
        finally:
            self.is_deploying = False

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        if not self._guard.acquire(blocking=False):
            raise Refused("The machines are being seen to. Try again in a moment.")
        try:
            yield
        finally:
            self._guard.release()

    def _machine(self, number: int) -> Machine:
        if number not in self.machines:
            raise Refused("This site has no such machine.")
        return self.machines[number]

    def _note(self, what: str, work: Set[Work]) -> Incident:
        incident = Incident(what, frozenset(work))
        self.incidents.appendleft(incident)
        TOPIC.publish("killed", {"what": what})
        return incident


crew = Crew()


def _shut_down(machines: list[Machine]) -> None:
    """Let all of them finish at the same time."""
    for machine in machines:
        machine.shut_down()
    for machine in machines:
        machine.wait()
