"""The torture of streams: programs that consume and are struck, what they wrote down, and the judge of it.

Two witnesses stand outside of Redis: the diary, into which handlers append lines, and the server's own journal, its
append-only file, in which each acknowledgement stands that ever took effect.
"""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from django_redis_patterns.testing.servers import RedisServer
from tests.core.worker.conftest import PATIENCE, ROOT, Process, below, until

from .tortured import GROUPS

#: Seconds of a lease, so that much can run out; and for which one is frozen that must lose it.
LEASE, FROST = 1.5, 2.2


class Program:
    """One supervisor with two children that consume `plays`."""

    def __init__(self, folder: Path, server: RedisServer) -> None:
        environment = {
            **os.environ,
            "DIARY": str(folder / "diary"),
            "LEASE": str(LEASE),
            "TEST_REDIS_CONNECTION": json.dumps(server.connection),
        }
        words = [sys.executable, "-m", "tests.streams.tortured", "redis", "consume", "--processes", "2", "--grace", "5"]
        with (folder / "log").open("ab") as log:
            self._program = subprocess.Popen(
                words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.supervisor = Process(self._program.pid)

    def children(self) -> list[Process]:
        return below(self.supervisor.pid)

    def tree(self) -> list[Process]:
        return [self.supervisor, *self.children()]

    def end(self) -> None:
        """Kill it all at once."""
        tree = self.tree()
        for process in tree:
            process.kill()
        self._program.wait()

    def stop(self) -> int:
        """Have it drain; returns its exit code."""
        self.supervisor.signal(signal.SIGTERM)
        return self._program.wait(PATIENCE)

    def bury(self) -> None:
        """Wait until the supervisor, which was killed, is gone."""
        self._program.wait()


class Site:
    """Three programs on one server, and who strikes them."""

    def __init__(self, folder: Path, server: RedisServer, seed: int) -> None:
        self.folder, self.server = folder, server
        self.draw = random.Random(seed)
        self.programs = [Program(folder, server) for _ in range(3)]
        self.struck: Counter[str] = Counter()
        (folder / "diary").touch()

    def end(self) -> None:
        for program in self.programs:
            program.end()

    def strike(self, fault: str) -> None:
        """Let *fault* happen, and count it when it has."""
        getattr(self, f"_{fault}")()
        self.struck[fault] += 1

    def lines(self) -> list[str]:
        return (self.folder / "diary").read_text().splitlines()

    def _any(self) -> Program:
        """Return a program that is up."""
        return self.draw.choice(until(lambda: [program for program in self.programs if len(program.children()) == 2]))

    def _child(self) -> None:
        child = self.draw.choice(self._any().children())
        child.kill()
        until(lambda: child.is_gone)

    def _supervisor(self) -> None:
        program = self._any()
        orphans = program.children()
        program.supervisor.kill()
        program.bury()
        self._replace(program)
        until(lambda: all(orphan.is_gone for orphan in orphans))  # they finish what they have, and end

    def _tree(self) -> None:
        program = self._any()
        program.end()
        self._replace(program)

    def _replace(self, program: Program) -> None:
        self.programs[self.programs.index(program)] = Program(self.folder, self.server)

    def _freeze_child(self) -> None:
        self._freeze([self.draw.choice(self._any().children())])

    def _freeze_tree(self) -> None:
        """For longer than its lease: others take over what it has, and then it goes on with that."""
        self._freeze(self._any().tree())

    def _freeze(self, processes: list[Process]) -> None:
        for process in processes:
            process.freeze()
        # The clock of leases is the server's, which runs on this machine.
        with self.server.client() as client:
            began = client.time()[0]
            until(lambda: client.time()[0] - began > FROST)
        for process in processes:
            process.thaw()

    def _restart(self) -> None:
        """The server dies, and comes back with its journal."""
        with self.server.down():
            pass

    def _forget(self) -> None:
        """The server forgets all scripts."""
        with self.server.client() as client:
            client.script_flush()


def acknowledged(server: RedisServer) -> Counter[tuple[str, str]]:
    """Return how often each event was acknowledged by each group, as the server's journal has it."""
    found: Counter[tuple[str, str]] = Counter()
    for path in [*server.folder.glob("appendonlydir/*.aof"), *server.folder.glob("appendonly.aof")]:
        with path.open("rb") as journal:
            for name, *words in commands(journal):
                if name.upper() == b"XACK":
                    found.update((words[1].decode(), id.decode()) for id in words[2:])
    return found


def commands(journal: BinaryIO) -> Iterator[list[bytes]]:
    """Read a journal in the format of https://redis.io/docs/latest/develop/reference/protocol-spec/."""
    while line := journal.readline():
        assert line.startswith(b"*"), f"no journal of commands: {line[:50]!r}"
        yield [journal.read(int(journal.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]


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
