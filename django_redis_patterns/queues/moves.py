"""The moves of jobs: one script, one trip each."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django_redis_patterns.conf import settings
from django_redis_patterns.core.operations import IO, both
from django_redis_patterns.core.scripts import Script

from .keys import Place
from .records import Entry, failures_of

PUSH = Script("push.lua", idempotent=True)
STEP = Script("step.lua")
STEP_AGAIN = Script("step.lua", idempotent=True)
RECOVER = Script("recover.lua", idempotent=True)
RELEASE = Script("release.lua", idempotent=True)
#: Jobs in one push, and ends in one step: what a script may unpack.
AT_ONCE = 200
#: Seconds for which an ended job without a result is known, so that a push whose reply was lost does not repeat it.
ECHO = 10.0


class Claim(NamedTuple):
    """A job that is ours until we end it, or our lease runs out."""

    id: str
    record: bytes
    past: bytes | None  # how often it failed, a space, and what its room wants to know of that
    kills: bytes | None  # how many processes died that had it, and their names
    token: str

    @property
    def failures(self) -> int:
        """How often it has failed."""
        return failures_of(self.past or b"")

    @property
    def deaths(self) -> list[str]:
        """Names of the processes that died while they had it."""
        return self.kills.decode("utf-8", "replace").split()[1:] if self.kills else []


class End(NamedTuple):
    """How a claim ends; see the script for the verbs and what they take."""

    verb: str
    claim: Claim
    number: int = 0
    past: bytes = b""
    text: bytes = b""


def done(claim: Claim, result: bytes = b"", ttl: float = ECHO) -> End:
    """It ended well."""
    return End("done", claim, max(1, round(ttl * 1000)), b"", result)


def again(claim: Claim, delay: float, notes: bytes) -> End:
    """It failed, and is to run again in *delay* seconds."""
    return End("again", claim, round(delay * 1000), past(claim.failures + 1, notes))


def back(claim: Claim) -> End:
    """It was not run, or not to its end: no attempt counts."""
    return End("back", claim)


def dead(claim: Claim, why: str, notes: bytes, failures: int = 1) -> End:
    """It failed, and is a dead letter."""
    return End("dead", claim, 0, past(claim.failures + failures, notes), why.encode("utf-8", "replace"))


def past(failures: int, notes: bytes) -> bytes:
    """Return how a past is stored."""
    return b"%d " % failures + notes


@dataclass(frozen=True, slots=True)
class Stepped:
    """What a step brought: claims, and how many ends were not ours any more. ``look_in``: seconds until the next look.

    ``held`` back from us is something until we are `ALONE`, or everything until we have a lease (`LEASELESS`).
    """

    claims: list[Claim]
    look_in: float
    held: int
    lost: int


@dataclass(frozen=True, slots=True)
class Taker:
    """Who takes. ``lease``: seconds, for who has none. ``is_alone``: it has nothing else at this moment.

    ``is_again``: the ends were sent before, and nobody knows whether they arrived. ``may_repeat``: the step may be sent
    again when its reply is lost: a take under a name of its own, or ends that are all well.
    """

    name: str
    token: str = "0"
    lease: float = 0.0
    ends_lease: bool = False
    is_alone: bool = True
    takes_over: bool = True
    looks_around: bool = False
    is_again: bool = False
    may_repeat: bool = False

    @property
    def flags(self) -> str:
        """How the script reads it."""
        lease_ms = -1 if self.ends_lease else round(self.lease * 1000)
        return f"{lease_ms} {self.is_alone:d} {self.takes_over:d} {self.looks_around:d} {self.is_again:d}"


ALONE, LEASELESS = 1, 2
NOBODY = Taker("-", may_repeat=True)  # looks after the queue only


async def push(io: IO, place: Place, entries: Sequence[Entry]) -> list[str | None]:
    """Push *entries*; returns for each None, or the id of another that has its mark. Twice is as good as once."""
    if len(entries) <= AT_ONCE:
        replies = [await _push_chunk(io, place, entries)]
    else:
        chunks = [entries[start : start + AT_ONCE] for start in range(0, len(entries), AT_ONCE)]
        replies = await io.gather(*(_push_chunk(io, place, chunk) for chunk in chunks))
    return [other.decode() if isinstance(other, bytes) else None for reply in replies for other in reply]


async def _push_chunk(io: IO, place: Place, entries: Sequence[Entry]) -> list[Any]:
    keys, now = place.keys, minute()
    args: list[Any] = [now]
    for entry in entries:
        args += (entry.id, entry.due, entry.record)
    results = place.results([entry.id for entry in entries])
    own = [keys.jobs, keys.ready, keys.ranked, keys.later, keys.wake, keys.unique, place.stats(now)]
    return list(await io.run(PUSH, keys=own + results, args=args))


async def step(io: IO, place: Place, taker: Taker, ends: Sequence[End] = (), free: int = 0, ran: float = 0) -> Stepped:
    """Record *ends*, let what is due take its place, take over from the dead, and claim at most *free* jobs."""
    limits, now = settings().queues, minute()
    how = f"{taker.flags} {free} {limits.max_kills} {limits.max_dead} {now} {round(ran * 1000)}"
    args: list[Any] = [taker.name, taker.token, how]
    for end in ends:
        args += (f"{end.verb} {end.claim.token} {end.number} {len(end.past)}", end.claim.id, end.past + end.text)
    keys = [*place.keys, place.stats(now), *place.results([end.claim.id for end in ends])]
    look, held, lost, columns, *flat = await io.run(STEP_AGAIN if taker.may_repeat else STEP, keys=keys, args=args)
    return Stepped(_claims(flat, columns, taker.token), look / 1000, held, lost)


async def _recover(io: IO, place: Place, name: str) -> list[Claim]:
    """Return every claim of *name*: also those whose reply was lost."""
    keys = place.keys
    flat = await io.on(place.connection).run(
        RECOVER, keys=[keys.running, keys.jobs, keys.past, keys.kills], args=[name]
    )
    tokens = [token.decode() for token in flat[4::5]]
    rows = [value for at, value in enumerate(flat) if at % 5 != 4]
    return [
        Claim(claim.id, claim.record, claim.past, claim.kills, token)
        for claim, token in zip(_claims(rows, 4, ""), tokens, strict=True)
    ]


async def _release(io: IO, place: Place, names: Sequence[str]) -> None:
    """Say that *names* are dead, and wake somebody who takes over."""
    await io.on(place.connection).run(RELEASE, keys=[place.keys.live, place.keys.wake], args=list(names))


async def _step_once(io: IO, place: Place, taker: Taker, ends: Sequence[End], free: int, ran: float) -> Stepped:
    """Do what `step` does on the place's own connection."""
    return await step(io.on(place.connection), place, taker, ends, free, ran)


async def wait_for_work(io: IO, place: Place, seconds: float) -> bool:
    """Wait until somebody says that there is something, at most *seconds*; returns whether somebody did."""
    seconds = max(seconds, 0.01)  # 0 would be for ever
    with io.block(seconds) as waiting:
        return await waiting.redis.blpop([place.keys.wake], timeout=seconds) is not None


async def _sleep(io: IO, place: Place, seconds: float) -> bool:
    """Do the same on the place's own connection."""
    return await wait_for_work(io.on(place.connection), place, seconds)


async def _wait_and_step(io: IO, place: Place, taker: Taker, free: int, seconds: float) -> Stepped:
    """Do the same, and a step behind it, in one trip: Redis takes the step in the moment in which the wait ends."""
    seconds = max(seconds, 0.01)
    with io.on(place.connection).block(seconds) as waiting:
        wait: Any = waiting.redis.blpop([place.keys.wake], timeout=seconds)
        found: Stepped = (await waiting.gather(wait, step(waiting, place, taker, (), free)))[1]
        return found


# Workers use these, which are threads.
recover = both(_recover)[0]
release = both(_release)[0]
step_once = both(_step_once)[0]
sleep = both(_sleep)[0]
wait_and_step = both(_wait_and_step)[0]


def minute() -> int:
    """Return the minute that it is, by the clock of this machine."""
    return int(time.time()) // 60


def _claims(flat: Sequence[Any], columns: int, token: str) -> list[Claim]:
    """Return what a script told in so many *columns*; without those of past and kills, there are none."""
    none = [None] * (len(flat) // columns)
    ids, records, pasts, kills, *_ = [*(flat[column::columns] for column in range(columns)), none, none]
    rows = zip(ids, records, pasts, kills, strict=True)
    return [Claim(id.decode(), record, past, deaths, token) for id, record, past, deaths in rows]
