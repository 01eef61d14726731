"""A storm over programs that work: who is struck how, and what the server's journal says of it.

The journal, its append-only file, is a witness outside of what it is a witness of: in it stands each write that ever
took effect.
"""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from django_redis_patterns.testing.proxy import FaultProxy
from django_redis_patterns.testing.servers import RedisServer

from .conftest import PATIENCE, ROOT, Process, below, until

#: Seconds of a lease, so that much can run out; and for which one is frozen that must lose it.
LEASE, FROST = 1.5, 2.2


#: Options of a server that keeps a journal of everything.
JOURNAL = ["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"]


class Program:
    """A supervisor and its children: ``python -m`` *words*, with a diary beside its log in *folder*."""

    def __init__(self, folder: Path, words: Sequence[str], connection: Mapping[str, Any], lease: float = LEASE) -> None:
        environment = {
            **os.environ,
            "DIARY": str(folder / "diary"),
            "LEASE": str(lease),
            "TEST_REDIS_CONNECTION": json.dumps(connection),
        }
        command = [sys.executable, "-m", *words]
        with (folder / "log").open("ab") as log:
            self._program = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
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
        """Have it drain, once it is up; returns its exit code."""
        until(self.children)
        self.supervisor.signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait until the supervisor is gone; returns its exit code."""
        return self._program.wait(PATIENCE)


class Storm:
    """Three programs of two children on one server, or a *proxy* before it, and who strikes them."""

    def __init__(
        self, folder: Path, server: RedisServer, words: Sequence[str], seed: int, proxy: FaultProxy | None = None
    ) -> None:
        self.folder, self.server = folder, server
        self.draw = random.Random(seed)
        self._words, self._proxy = [*words, "--processes", "2", "--grace", "5"], proxy
        self.programs = [self._program() for _ in range(3)]
        self.struck: Counter[str] = Counter()
        (folder / "diary").touch()

    def _program(self) -> Program:
        return Program(self.folder, self._words, (self._proxy or self.server).connection)

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

    def _any_child(self) -> Process:
        return self.draw.choice(until(lambda: self._any().children()))

    def _child(self) -> None:
        child = self._any_child()
        child.kill()
        until(lambda: child.is_gone)

    def _supervisor(self) -> None:
        program = self._any()
        orphans = program.children()
        program.supervisor.kill()
        program.wait()
        self._replace(program)
        until(lambda: all(orphan.is_gone for orphan in orphans))  # they finish what they have, and end

    def _tree(self) -> None:
        program = self._any()
        program.end()
        self._replace(program)

    def _replace(self, program: Program) -> None:
        self.programs[self.programs.index(program)] = self._program()

    def _freeze_child(self) -> None:
        self._freeze([self._any_child()])

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

    def _stop(self) -> None:
        """A new version: all end in good order, and others follow."""
        program = self._any()
        assert program.stop() == 0
        self._replace(program)

    def _cut(self) -> None:
        """The server does what somebody asks for, and its reply is lost."""
        assert self._proxy
        self._proxy.cut_reply(self.draw.randint(1, 20))

    def _hang_up(self) -> None:
        """The server closes all connections."""
        with self.server.client() as client:
            client.client_kill_filter(_type="normal", skipme=True)


def journal(server: RedisServer) -> Iterator[list[bytes]]:
    """Return all commands that have changed something, in their order."""
    for path in [*server.folder.glob("appendonlydir/*.aof"), *server.folder.glob("appendonly.aof")]:
        with path.open("rb") as file:
            yield from commands(file)


def commands(journal: BinaryIO) -> Iterator[list[bytes]]:
    """Read a journal in the format of https://redis.io/docs/latest/develop/reference/protocol-spec/."""
    while line := journal.readline():
        assert line.startswith(b"*"), f"no journal of commands: {line[:50]!r}"
        yield [journal.read(int(journal.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]
