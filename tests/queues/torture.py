"""The torture of queues: what is enqueued, what was written down of it, and the judge of that.

Two witnesses stand outside of Redis: the diary, into which tasks append lines, and the server's own journal, in which
each end stands that ever took effect.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from time import sleep
from typing import Any

from django.utils import timezone

from django_redis_patterns.exceptions import RedisUnavailable
from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.records import Entry, record
from django_redis_patterns.testing.servers import RedisServer
from tests.core.worker.storm import journal

from .plays import aplay, once, play, poison

QUEUES = ("default", "mail")
POISON, FORGED = 500, 400
#: What nobody has declared.
FORGERY = record(b'j["os.getcwd",[],{}]')


def enqueue(number: int) -> None:
    """Enqueue a task of some kind, whatever the server is at."""
    while True:
        with suppress(RedisUnavailable):
            return _enqueue(number)
        sleep(0.05)


def is_poison(number: int) -> bool:
    return number % POISON == 7


def _enqueue(number: int) -> None:
    if is_poison(number):
        poison.enqueue(number)
    elif number % 13 == 4:
        once.enqueue(number)
        once.enqueue(number)
    else:
        task: Any = aplay if number % 10 == 5 else play
        delay = timezone.now() + timedelta(seconds=0.2) if number % 11 == 2 else None
        task.using(priority=number % 3 - 1, run_after=delay).enqueue(number)
    if number % FORGED == 9:
        Queue("default").add(Entry(f"forged{number}", FORGERY))


@dataclass
class Journal:
    """Which jobs came into Redis, and how often each of them came to an end, as the server has written it down."""

    pushed: dict[str, bytes] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)


def read(server: RedisServer) -> Journal:
    """Return what the journal says of all queues."""
    found = Journal()
    for name, *words in journal(server):
        match name.upper(), words[0].split(b"}:")[-1].split(b":") if words else [b""]:
            case b"HSETNX", [b"jobs"]:
                found.pushed[words[1].decode()] = words[2]
            case b"SET", [b"result", id]:
                found.done[id.decode()] += 1
            case b"ZADD", [b"dead"]:
                found.dead[words[2].decode()] += 1
    return found


@dataclass(frozen=True)
class Verdict:
    """How many tasks each fault has hit."""

    lost: int = 0
    ended_never: int = 0
    ended_again: int = 0
    dead_alive: int = 0
    poison_alive: int = 0


def judge(numbers: Iterable[int], lines: Iterable[str], found: Journal) -> Verdict:
    """Judge what was enqueued by what was written in the diary and in the journal."""
    ended = {int(line.split()[1]) for line in lines if line.startswith("ended")}
    poisonous = {id for id, stored in found.pushed.items() if b"poison" in stored or stored == FORGERY}
    ends: Mapping[str, int] = found.done + found.dead
    return Verdict(
        lost=sum(not is_poison(number) and number not in ended for number in numbers),
        ended_never=sum(id not in ends for id in found.pushed),
        ended_again=sum(times > 1 for times in ends.values()),
        dead_alive=sum(id not in poisonous for id in found.dead),
        poison_alive=sum(id not in found.dead for id in poisonous),
    )
