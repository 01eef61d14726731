"""The smallest room: a list of words, each of which tells what its handler does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django_redis_patterns.core.connections import client
from django_redis_patterns.core.keys import key
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script
from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.core.worker.lease import hold
from tests.core.worker import handlers

STEP = Script("step.lua")
READY, TAKEN, LIVE, ENDS, BELL = (key("words", "x", part) for part in ("ready", "taken", "live", "ends", "bell"))


async def _step(io: IO, *args: Any) -> list[str]:
    return [word.decode() for word in await io.run(STEP, [READY, TAKEN, LIVE, ENDS], list(args))]


async def _push(io: IO, words: Sequence[str]) -> None:
    await io.redis.lpush(READY, *words)
    await io.redis.lpush(BELL, *["!"] * len(words))


step = both(_step)[0]
push = both(_push)[0]


@dataclass(eq=False)
class Word:
    """``verb:argument:number``; a word with a fourth part has that key."""

    text: str

    @property
    def key(self) -> str | None:
        return (self.text.split(":") + [""] * 4)[3] or None

    @property
    def is_async(self) -> bool:
        return self.text.startswith("a")

    def run(self) -> Any:
        verb, argument = self.text.split(":")[:2]
        return getattr(handlers, verb)(self.text, argument)


@dataclass
class Words:
    """The feed of *child*."""

    child: str
    concurrency: int = 4
    ahead: int = 16
    name: str = "words"
    is_closed: bool = False

    def step(self, done: Sequence[Done], free: int, wait: float, takes_over: bool) -> Sequence[Word]:
        ends = [text for one in done for text in (one.job.text, _fate(one))]
        words = step(self.child, free, int(takes_over), *ends)
        if not words and wait and client(block=wait).blpop([BELL], wait):
            words = step(self.child, 0 if self.is_closed else free, int(takes_over))
        return [Word(word) for word in words]

    def close(self) -> None:
        self.is_closed = True

    def recover(self, held: Sequence[Word]) -> Sequence[Word]:
        known = {word.text for word in held}
        taken = {word.decode(): child.decode() for word, child in client().hgetall(TAKEN).items()}
        return [Word(word) for word, child in taken.items() if child == self.child and word not in known]

    def tend(self) -> None:
        client().ltrim(BELL, 0, 99)


def _fate(done: Done) -> str:
    return ("failed" if done.error else "ok") if done.ran else "back"


@dataclass
class Work:
    """The workload."""

    lease: float
    concurrency: int = 4
    banner: Sequence[str] = ("words  tests.core.worker.handlers",)

    def hold(self, names: Sequence[str], seconds: float) -> Sequence[str]:
        return hold("default", LIVE, names, seconds)

    def release(self, names: Sequence[str]) -> None:
        hold("default", LIVE, names, 0)

    def known(self) -> Sequence[str]:
        return [name.decode() for name in client().zrange(LIVE, 0, -1)]

    def feeds(self, name: str) -> Sequence[Words]:
        return [Words(name, self.concurrency)]
