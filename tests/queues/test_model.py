"""The scripts against a model in plain Python: whoever pushes, takes, ends, dies or changes their mind."""

from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from django_redis_patterns.conf import settings as ours
from django_redis_patterns.core.connections import client
from django_redis_patterns.core.operations import batch
from django_redis_patterns.core.worker.lease import hold
from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.moves import Claim, End, Taker, again, back, dead, done, release, step_once
from django_redis_patterns.queues.records import Entry, record

pytestmark = pytest.mark.permanent_keys("*")
WORKERS = ("one", "two")
numbers = count()
HOWS = ("done", "done", "again", "later", "back", "back", "dead")
LONG = 3600.0


@dataclass
class Life:
    """What the model knows of one job. ``place`` orders those of a priority."""

    id: str
    priority: int
    state: str = "waiting"
    place: int = 0
    mark: str | None = None
    failures: int = 0
    kills: int = 0
    owner: str = ""


@dataclass
class Model:
    jobs: dict[str, Life] = field(default_factory=dict)
    front: int = 0
    rear: int = 0
    suspects: list[str] = field(default_factory=list)

    def put(self, job: Life, at_front: bool = False) -> None:
        job.state = "waiting"
        if at_front:
            self.front -= 1
            job.place = self.front
        else:
            self.rear += 1
            job.place = self.rear

    def waiting(self) -> list[Life]:
        found = [job for job in self.jobs.values() if job.state == "waiting"]
        first = [self.jobs[id] for id in self.suspects]
        return first + sorted(found, key=lambda job: (-job.priority, job.place))

    def having(self, state: str) -> set[str]:
        return {job.id for job in self.jobs.values() if job.state == state}


class Queues(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue(f"model{next(numbers)}")
        self.model = Model()
        self.claims: dict[str, Claim] = {}
        self.over: dict[str, Claim] = {}
        self.number = 0

    def pick(self, data: st.DataObject, ids: set[str]) -> Life:
        return self.model.jobs[data.draw(st.sampled_from(sorted(ids)))]

    @rule(
        priority=st.sampled_from([-100, -1, 0, 0, 0, 1, 100]),
        delay=st.sampled_from([0, 0, 0, LONG]),
        mark=st.sampled_from([None, "a", "b", "c"]),
        twice=st.booleans(),
    )
    def push(self, priority: int, delay: float, mark: str | None, twice: bool) -> None:
        self.number += 1
        id = f"{self.number:04}"
        there = next(
            (job for job in self.model.jobs.values() if mark and job.mark == mark and job.state != "dead"), None
        )
        for _ in range(2 if twice else 1):  # a push whose reply was lost is sent again
            found = self.queue.push({"n": self.number}, id=id, priority=priority, delay=delay, unique=mark)
            assert found == (there.id if there else id)
        if there is None:
            job = self.model.jobs[id] = Life(id, priority, mark=mark)
            self.model.put(job)
            job.state = "later" if delay else "waiting"

    @rule(items=st.integers(1, 5), priority=st.sampled_from([0, 3]))
    def push_many(self, items: int, priority: int) -> None:
        ids = [f"{self.number + place:04}" for place in range(1, items + 1)]
        self.number += items
        self.queue.add(*(Entry(id, record(b"j0", priority)) for id in ids))
        for id in ids:
            job = self.model.jobs[id] = Life(id, priority)
            self.model.put(job)

    @precondition(lambda self: self.model.waiting())
    @rule(worker=st.sampled_from(WORKERS), count=st.integers(1, 4), is_alone=st.sampled_from([True, True, False]))
    def take(self, worker: str, count: int, is_alone: bool) -> None:
        self.number += 1
        hold("default", self.queue.place.keys.live, [worker], 60)
        found = step_once(self.queue.place, Taker(worker, str(self.number), is_alone=is_alone), (), count, 0)
        expected = self.expected(count, is_alone)
        assert [claim.id for claim in found.claims] == [job.id for job in expected]
        assert (found.held == 1) == (bool(self.model.suspects) and not is_alone)
        for job, claim in zip(expected, found.claims, strict=True):
            assert (claim.failures, len(claim.deaths)) == (job.failures, job.kills)
            job.state, job.owner, self.claims[job.id] = "running", worker, claim
        self.model.suspects = [id for id in self.model.suspects if self.model.jobs[id].state != "running"]

    def expected(self, count: int, is_alone: bool) -> list[Life]:
        if self.model.suspects and not is_alone:
            return []
        return self.model.waiting()[: 1 if self.model.suspects else count]

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), hows=st.lists(st.sampled_from(HOWS), min_size=1, max_size=4), twice=st.booleans())
    def end(self, data: st.DataObject, hows: list[str], twice: bool) -> None:
        """Several of one worker in one step; a second time it comes too late to count."""
        owner = self.pick(data, set(self.claims)).owner
        mine = data.draw(st.permutations(sorted(id for id in self.claims if self.model.jobs[id].owner == owner)))
        ends = [
            (self.model.jobs[id], how, self.ending(how, self.claims[id])) for id, how in zip(mine, hows, strict=False)
        ]
        for time in range(2 if twice else 1):
            ended = step_once(self.queue.place, Taker(owner), [end for *_, end in ends], 0, 0)
            assert ended.lost == (0 if time == 0 else sum(how != "done" for _, how, _ in ends))
        for job, _, _ in ends:
            self.over[job.id] = self.claims.pop(job.id)
        given_back = [end for end in reversed(ends) if end[1] == "back"]  # the first of them is the first again
        due = sorted((end for end in ends if end[1] == "again"), key=lambda end: end[0].id)
        others = [end for end in ends if end[1] not in ("back", "again")]
        for job, how, _ in [*given_back, *due, *others]:
            self.ended(job, how)

    @precondition(lambda self: len(self.over) > 5)
    @rule(data=st.data())
    def end_what_is_over(self, data: st.DataObject) -> None:
        """A fence that is not valid any more changes nothing."""
        id = data.draw(st.sampled_from(sorted(self.over)))
        late = dead(self.over[id], "late", b"")
        assert step_once(self.queue.place, Taker("one"), [late], 0, 0).lost == 1

    def ending(self, how: str, claim: Claim) -> End:
        ends = {"done": done(claim), "back": back(claim), "dead": dead(claim, "why", b"")}
        return ends.get(how) or again(claim, LONG if how == "later" else 0, b"")

    def ended(self, job: Life, how: str) -> None:
        if how == "done":
            del self.model.jobs[job.id]
        elif how == "back" and job.kills > 1:
            self.suspect(job, at_front=True)
        elif how == "back":
            self.model.put(job, at_front=True)
        elif how == "dead":
            job.failures, job.state = job.failures + 1, "dead"
        else:
            job.failures += 1
            self.model.put(job)
            job.state = "later" if how == "later" else "waiting"

    def suspect(self, job: Life, at_front: bool = False) -> None:
        job.state = "suspect"
        self.model.suspects.insert(0 if at_front else len(self.model.suspects), job.id)

    @precondition(lambda self: self.claims)
    @rule(worker=st.sampled_from(WORKERS))
    def die(self, worker: str) -> None:
        """All of its jobs are free, at once; in which order they come back, nobody promises."""
        had = [job for job in self.model.jobs.values() if job.state == "running" and job.owner == worker]
        release(self.queue.place, [worker])
        self.queue.stats()
        order = {waiting.id: place for place, waiting in enumerate(self.queue.peek(1000))}
        for job in sorted(had, key=lambda job: -order.get(job.id, -1)):
            self.over[job.id] = self.claims.pop(job.id)
            job.kills += 1
            if job.kills >= ours().queues.max_kills:
                job.state = "dead"
            elif job.kills < 2:
                self.model.put(job, at_front=True)
        for job in sorted(
            (job for job in had if 1 < job.kills < ours().queues.max_kills), key=lambda job: order[job.id]
        ):
            self.suspect(job)

    @precondition(lambda self: self.model.having("later"))
    @rule(data=st.data())
    def be_due(self, data: st.DataObject) -> None:
        job = self.pick(data, self.model.having("later"))
        client().zadd(self.queue.place.keys.later, {job.id: 1})
        self.queue.stats()
        self.model.put(job)

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        job = self.pick(data, set(self.model.jobs))
        is_free = job.state in ("waiting", "later", "suspect")
        assert self.queue.remove(job.id) == is_free
        if is_free:
            del self.model.jobs[job.id]
            self.model.suspects = [id for id in self.model.suspects if id != job.id]

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data(), priority=st.sampled_from([-5, 0, 5]))
    def reprioritize(self, data: st.DataObject, priority: int) -> None:
        job = self.pick(data, set(self.model.jobs))
        moves = job.state in ("waiting", "later")
        assert self.queue.reprioritize(job.id, priority) == moves
        if moves:
            job.priority = priority
        if job.state == "waiting":
            self.model.put(job)

    @precondition(lambda self: self.model.having("dead"))
    @rule(data=st.data(), keeps=st.booleans())
    def judge(self, data: st.DataObject, keeps: bool) -> None:
        job = self.pick(data, self.model.having("dead"))
        if not keeps:
            assert self.queue.discard(job.id) == 1
            del self.model.jobs[job.id]
            return
        others = [one for one in self.model.jobs.values() if job.mark and one.mark == job.mark and one.state != "dead"]
        assert self.queue.retry(job.id) == (0 if others else 1)
        if not others:
            job.failures = job.kills = 0
            self.model.put(job)

    @precondition(lambda self: self.number % 10 == 0)
    @rule()
    def pause(self) -> None:
        self.queue.pause()
        hold("default", self.queue.place.keys.live, ["one"], 60)
        assert step_once(self.queue.place, Taker("one"), (), 5, 0).claims == []
        assert self.queue.resume()
        assert not self.queue.resume()

    @invariant()
    def looks_the_same(self) -> None:
        waiting = self.model.waiting()
        with batch() as together:
            peek, stats = together(self.queue.peek, 1000), together(self.queue.stats)
            places = [together(self.queue.position, job.id) for job in waiting]
        assert [(job.id, job.priority) for job in peek.value] == [(job.id, job.priority) for job in waiting]
        assert [place.value for place in places] == list(range(1, len(waiting) + 1))
        assert (stats.value.waiting, stats.value.later) == (len(waiting), len(self.model.having("later")))
        assert (stats.value.running, stats.value.dead) == (len(self.claims), len(self.model.having("dead")))
        assert stats.value.suspects == len(self.model.suspects)

    @invariant()
    def nothing_is_left_behind(self) -> None:
        keys, redis = self.queue.place.keys, client()
        assert redis.hlen(keys.jobs) == len(self.model.jobs)
        marks = {job.mark for job in self.model.jobs.values() if job.mark and job.state != "dead"}
        assert redis.hlen(keys.unique) == len(marks)
        if not self.model.jobs:
            left = [
                keys.past,
                keys.kills,
                keys.reasons,
                keys.running,
                keys.suspects,
                keys.ranked,
                keys.later,
                keys.ready,
            ]
            assert not redis.exists(*left)


def test_whatever_happens() -> None:
    """Order, places, fences, marks, counts and dead letters are what the model says."""
    run_state_machine_as_test(Queues, settings=settings(max_examples=100, stateful_step_count=60, deadline=None))


@pytest.mark.slow
def test_whatever_happens_for_longer() -> None:
    """The same, more of it."""
    run_state_machine_as_test(Queues, settings=settings(max_examples=1000, stateful_step_count=60, deadline=None))
