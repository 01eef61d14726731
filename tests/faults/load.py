"""Writers that go on whatever happens, and what they were told."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django_redis_patterns.core.connections import adisconnect, options
from django_redis_patterns.exceptions import RedisUnavailable
from django_redis_patterns.leaderboards import Leaderboard

THREADS, TASKS = 3, 3
#: Seconds that a busy machine may add to a call.
BUSY = 3.0


@dataclass
class Diary:
    """What the writers of one board were told: scores, and errors with whether they leave something open."""

    board: Leaderboard
    scores: list[float] = field(default_factory=list)
    refused: int = 0
    ambiguous: int = 0
    strange: list[BaseException] = field(default_factory=list)
    longest: float = 0
    latest: float = 0  # when somebody succeeded

    def note(self, started: float, outcome: Any) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - started)
        if isinstance(outcome, RedisUnavailable):
            self.ambiguous += outcome.ambiguous
            self.refused += not outcome.ambiguous
        elif isinstance(outcome, BaseException):
            self.strange.append(outcome)
        else:
            self.latest = now
            self.scores.append(outcome.score)

    def check(self, since: int = 0, kept: float | None = None) -> None:
        """No call was too long, no error was the driver's own, and no increment counted twice.

        *kept* is what Redis has: what was acknowledged after the first *since*, and at most what nobody knows.
        """
        assert not self.strange, self.strange[:3]
        assert self.longest < options.target("default").budget + BUSY
        mine = self.scores[since:]
        assert len(set(mine)) == len(mine) > 0, "two calls were told the same score"
        if kept is not None:
            assert max(mine) <= kept <= max(mine) + self.ambiguous


@contextmanager
def writing(board: Leaderboard) -> Iterator[Diary]:
    """Increment member "a" of *board* from threads and from tasks of an event loop, for as long as the block."""
    diary, over = Diary(board), threading.Event()

    def write() -> None:
        while not over.is_set():
            started = time.monotonic()
            try:
                diary.note(started, board.increment("a"))
            except Exception as error:
                diary.note(started, error)
                time.sleep(0.01)

    async def awrite() -> None:
        while not over.is_set():
            started = time.monotonic()
            try:
                diary.note(started, await board.aincrement("a"))
            except Exception as error:
                diary.note(started, error)
                await asyncio.sleep(0.01)

    async def main() -> None:
        await asyncio.gather(*(awrite() for _ in range(TASKS)))
        await adisconnect()

    threads = [threading.Thread(target=write) for _ in range(THREADS)]
    threads.append(threading.Thread(target=lambda: asyncio.run(main())))
    for thread in threads:
        thread.start()
    try:
        yield diary
    finally:
        over.set()
        for thread in threads:
            thread.join()


def wait_for_success(diary: Diary, seconds: float = 2) -> None:
    """Wait until a call that began now succeeds; at most *seconds*."""
    began = time.monotonic()
    while diary.latest < began:
        assert time.monotonic() < began + seconds + BUSY, f"nobody got through for {seconds} s: {diary}"
        time.sleep(0.02)
