"""The torture of locks: processes that hold, a diary and a database that they write, and the judge of both."""

import multiprocessing
import os
import signal
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from django.conf import settings

from django_redis_patterns.locks import lock
from tests.locks import holders

#: Seconds that nobody has to wait for anything.
PATIENCE = 30.0
_processes = multiprocessing.get_context("forkserver")  # forked from one that has imported all and started no thread
_processes.set_forkserver_preload(["pytest", holders.__name__])
VAULT = """
PRAGMA journal_mode = WAL;
CREATE TABLE vault_account (
    id integer PRIMARY KEY, fence bigint NOT NULL,
    owner text NOT NULL, balance integer NOT NULL, changed_at text NOT NULL
);
INSERT INTO vault_account VALUES (1, 0, 'ann', 0, '2026-01-01');
CREATE TABLE history (fence bigint, balance integer);
CREATE TRIGGER remember AFTER UPDATE OF balance ON vault_account
BEGIN INSERT INTO history VALUES (new.fence, new.balance); END;
"""


class Refused(Exception):
    """What a process was told to do raised this."""


class Process:
    """A process that can be killed and frozen, and does what it is told."""

    def __init__(self, connection: dict[str, Any], folder: Path) -> None:
        self._pipe, theirs = _processes.Pipe()
        self._process = _processes.Process(target=holders.live, args=(theirs, connection, folder), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def tell(self, function: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Have it call *function*, and do not wait."""
        self._pipe.send((function, args, options))

    def hear(self, seconds: float = PATIENCE) -> Any:
        """Return what the function returned. Raises `Refused` of what it raised."""
        assert self._pipe.poll(seconds), "it never came to an end"
        value, error = self._pipe.recv()
        if error:
            raise Refused(error)
        return value

    def do(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """`tell` and `hear`."""
        self.tell(function, *args, **options)
        return self.hear()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._process.join()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """End it, whatever it does."""
        with suppress(ProcessLookupError):
            self.kill()
        self._process.close()
        self._pipe.close()


class Field:
    """Where a torture takes place: processes, their diary, and a database whose every write is remembered."""

    def __init__(self, folder: Path, connection: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self._connection = connection or settings.REDIS_PATTERNS["CONNECTIONS"]["default"]
        self.processes: list[Process] = []
        (folder / "diary").touch()
        with self._vault() as vault:
            vault.executescript(VAULT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.end()

    def process(self, connection: dict[str, Any] | None = None) -> Process:
        """Return one more process, on the field's *connection* unless it is given."""
        self.processes.append(Process(connection or self._connection, self.folder))
        return self.processes[-1]

    def several(self, count: int) -> list[Process]:
        return [self.process() for _ in range(count)]

    def everybody(self, function: Callable[..., Any], *args: Any, **options: Any) -> dict[str, int]:
        """Have all processes do it at the same time; return the sums of what they count."""
        for process in self.processes:
            process.tell(function, *args, **options)
        return added(process.hear() for process in self.processes)

    def stays(self) -> list["Stay"]:
        return read((self.folder / "diary").read_text())

    def history(self) -> list[tuple[int, int]]:
        """Return fence and balance of each write, in the order in which the database took them."""
        with self._vault() as vault:
            return vault.execute("SELECT fence, balance FROM history ORDER BY rowid").fetchall()

    def judge(self) -> "Verdict":
        return judge(self.stays(), self.history())

    @contextmanager
    def _vault(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.folder / "vault", timeout=60)) as vault, vault:
            yield vault


@dataclass(frozen=True)
class Stay:
    """What one holder knows for sure: with this fence, that it was in from *entered* until it looked last."""

    fence: int
    arrival: float
    entered: float
    checked: float


@dataclass(frozen=True)
class Verdict:
    """How often each promise was broken."""

    overlaps: int = 0
    falling_fences: int = 0
    inversions: int = 0
    stale_writes: int = 0
    lost_updates: int = 0

    @property
    def is_safe(self) -> bool:
        """Whether nobody was in with another, and nobody wrote over who came later."""
        return self.overlaps == self.falling_fences == self.stale_writes == self.lost_updates == 0

    @property
    def is_fair(self) -> bool:
        """Whether, on top, they got in in the order in which they came."""
        return self.is_safe and self.inversions == 0


def read(diary: str, name: str = "x") -> list[Stay]:
    """Return the stays that the diary of all holders of *name* tells of, in the order of their beginnings."""
    looks: dict[tuple[int, float], list[float]] = defaultdict(list)
    for line in diary.splitlines():
        lock_name, fence, arrival, moment = line.split()
        if lock_name == name:
            looks[int(fence), float(arrival)].append(float(moment))
    stays = [Stay(fence, arrival, min(at), max(at)) for (fence, arrival), at in looks.items()]
    return sorted(stays, key=lambda stay: stay.entered)


def judge(stays: Iterable[Stay], history: Iterable[tuple[int, int]] = ()) -> Verdict:
    """Count what is wrong with a lock that these holders held, and with what they wrote."""
    in_time, writes = list(stays), list(history)
    in_line = sorted(in_time, key=lambda stay: stay.arrival)
    latest, overlaps = float("-inf"), 0
    for stay in in_time:
        overlaps += stay.entered < latest
        latest = max(latest, stay.checked)
    return Verdict(
        overlaps,
        sum(after.fence <= before.fence for before, after in pairwise(in_time)),
        sum(after.fence <= before.fence for before, after in pairwise(in_line)),
        sum(new[0] < old[0] for old, new in pairwise(writes)),
        sum(new[1] <= old[1] for old, new in pairwise(writes)),
    )


def added(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return the sums of *counts*."""
    sums: dict[str, int] = {}
    for told in counts:
        for name, count in told.items():
            sums[name] = sums.get(name, 0) + count
    return sums


def queued(redis: Any, name: str = "x") -> int:
    """Return how many wait for the lock *name*."""
    return int(redis.zcard(lock(name).places()[0].keys[1]))


def keys_left(redis: Any) -> list[str]:
    """Return the keys that are there, but for those that remember the last fence for a while."""
    return sorted(key for key in redis.scan_iter() if not (key.endswith(":facts") and redis.ttl(key) > 0))


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Wait until *condition* holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "It did not come about."
        time.sleep(0.005)
