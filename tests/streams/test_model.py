"""Random lives of consumers, held to what a group promises whatever happens."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import redis

from django_redis_patterns.core.worker.feed import Done
from django_redis_patterns.streams import Event, Stream, job

from .children import Child, ids, pending

pytestmark = pytest.mark.permanent_keys("redis_patterns:streams:*")

KEYS = 4


class Life:
    """Some children of one group, and what is known of every event."""

    def __init__(self, consumer: Any, seed: int, bare: redis.Redis) -> None:
        self.consumer, self.stream, self.bare = consumer, consumer.stream, bare
        self.random = random.Random(seed)
        self.children = [Child(consumer) for _ in range(3)]
        self.appended: list[str] = []
        self.key_of: dict[str, int] = {}
        self.poison: set[str] = set()
        self.faults = Counter[str]()

    def append(self) -> None:
        for _ in range(self.random.randint(1, 6)):
            key = self.random.randrange(KEYS)
            is_poison = self.random.random() < 0.04
            id = self.stream.append({"key": key, "poison": is_poison})
            self.appended.append(id)
            self.key_of[id] = key
            self.poison |= {id} if is_poison else set()

    def take(self, child: Child) -> None:
        self.check(child, child.take(self.random.randint(1, 5)))

    def finish(self, child: Child) -> None:
        """Some of what it has in hand, always the first of a key first."""
        keys = {job.key for job in child.hand} - {None}
        of_one = self.random.choice(sorted(keys)) if keys else None
        chosen = [job for job in child.hand if (self.random.random() < 0.6 if job.key is None else job.key == of_one)]
        done = child.run(*chosen)
        self.check(child, child.step(done, self.random.choice([0, 3])))

    def give_back(self, child: Child) -> None:
        child.step([Done(job, ran=False) for job in child.hand])

    def crash(self, child: Child) -> None:
        self.faults["crash"] += 1
        if self.random.random() < 0.5:
            child.hold(0)
        else:
            child.lapse()
        self.children[self.children.index(child)] = Child(self.consumer)

    def freeze(self, child: Child) -> None:
        """It is away for longer than its lease, others take over, and it goes on as if nothing had been."""
        self.faults["freeze"] += 1
        child.lapse()
        for other in self.children:
            if other is not child:
                self.take(other)
        child.hold()

    def lose_a_reply(self, child: Child) -> None:
        """What was taken never arrives; nor does the word that what was done is recorded."""
        self.faults["reply"] += 1
        hand = list(child.hand)
        done = child.run(*hand)
        child.step(done, 3)
        child.hand = hand
        child.feed.recover(hand)
        child.step(done, 0)
        child.hand = []

    def forget_scripts(self, child: Child) -> None:
        self.faults["scripts"] += 1
        self.bare.script_flush()

    def live(self, steps: int) -> None:
        acts: list[tuple[Callable[..., None], int]] = [
            (self.take, 10), (self.finish, 10), (self.give_back, 1), (self.crash, 1),
            (self.freeze, 1), (self.lose_a_reply, 1), (self.forget_scripts, 1),
        ]  # fmt: skip
        for _ in range(steps):
            if self.random.random() < 0.3:
                self.append()
            act = self.random.choices([act for act, _ in acts], [weight for _, weight in acts])[0]
            act(self.random.choice(self.children))
        for _ in range(200):
            for child in self.children:
                self.check(child, child.step(child.run(*child.hand), 5))
            if not self.stream.lag(self.consumer.group).pending and self.stream.lag(self.consumer.group).events == 0:
                return

    def check(self, child: Child, jobs: list[Any]) -> None:
        """Nothing may be handed out while an earlier event of its key is not done, but what the same child has."""
        if self.consumer.ordered_by is None:
            return
        owners, mine = pending(child), set(ids(child.hand))
        for id in ids(jobs):
            for earlier in self.appended[: self.appended.index(id)]:
                if self.key_of[earlier] == self.key_of[id] and earlier in owners:
                    assert owners[earlier] == child.name, (id, earlier, owners[earlier])
                    assert earlier in mine


@pytest.fixture
def handled() -> list[str]:
    return []


@pytest.fixture
def handler(handled: list[str]) -> Callable[[Any], None]:
    def handle(event: Any) -> None:
        events: list[Event] = event if isinstance(event, list) else [event]
        if any(one.data["poison"] for one in events):
            raise ValueError("poison")
        handled.extend(one.id for one in events)

    return handle


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "options", [{}, {"batch": 3}, {"ordered_by": "key"}, {"ordered_by": "key", "batch": 3}], ids=str
)
def test_every_event_ends_once(
    seed: int,
    options: Any,
    orders: Stream,
    declare: Any,
    handler: Any,
    handled: list[str],
    bare_redis: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Handled, or a dead letter if it is poison; in the order of its key if that was asked for."""
    monkeypatch.setattr(job, "CRASHES", 1000)  # so many are not a sign of guilt here
    life = Life(declare(handler, max_attempts=2, **options), seed, bare_redis)
    life.live(120)
    lag = orders.lag("mailers")
    assert (lag.events, lag.pending, lag.waiting, lag.failing) == (0, 0, 0, 0)
    assert {letter.event_id for letter in orders.dead("mailers")} == life.poison
    assert orders.dead("mailers").count() == len(life.poison)
    assert set(handled) == set(life.appended) - life.poison
    assert life.faults.total() > 3
    if "ordered_by" in options:
        for key in range(KEYS):
            mine = [id for id in dict.fromkeys(handled) if life.key_of[id] == key]
            assert mine == [id for id in life.appended if life.key_of[id] == key and id not in life.poison]
