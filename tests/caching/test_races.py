"""Readers and writers that race, command by command, in random schedules that are the same in every run.

The model is a number in a database. Who begins to read after an invalidation has returned never sees a number of before
what was invalidated; however commands interleave, leases end, and tags and values are evicted.
"""

import random
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any

import pytest
import redis

from django_redis_patterns.caching import cached, fetch
from django_redis_patterns.caching.invalidation import _forget
from django_redis_patterns.caching.post import post
from django_redis_patterns.caching.through import _claim, _settle
from django_redis_patterns.core.conductor import Call, Gather, Locate, Wait
from django_redis_patterns.core.connections.wire import send
from django_redis_patterns.core.operations import IO, both

EVERYDAY, MANY = 300, 10_000
Body = Coroutine[Any, Any, Any]
PAUSE = object()


def commands(body: Any) -> Generator[Any, Any, Any]:
    """Yield each command, and pauses where something else may happen: after what the user's code has read."""
    reply: Any = None
    while True:
        try:
            request = body.throw(reply) if isinstance(reply, Exception) else body.send(reply)
        except StopIteration as stop:
            return stop.value
        if isinstance(request, Gather):
            reply = []
            for part in request.bodies:
                reply.append((yield from commands(part)))
        elif isinstance(request, Call):
            reply = request.call()
            yield PAUSE
        elif isinstance(request, Wait):
            yield PAUSE
            reply = request.bell is not None and request.bell.wait(0)
        elif isinstance(request, Locate):
            reply = None
        else:
            reply = yield request


class World:
    """The database, what was invalidated, and who is at work on it."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.number = self.floor = self.reads = self.calls = 0
        self.running: dict[str, tuple[Generator[Any, Any, Any], Any]] = {}
        world = self

        @cached(ttl=60, stale=60 if seed % 2 else 0, tags=["n", "all"])
        def f() -> int:
            world.calls += 1
            return world.number

        self.f = f

    def start(self, body: Body) -> None:
        self.running[f"{len(self.running)} {self.draw.random()}"] = (commands(body), None)

    def step(self, name: str) -> None:
        body, reply = self.running[name]
        try:
            command = body.send(reply)
        except StopIteration:
            del self.running[name]
        else:
            self.running[name] = (body, None if command is PAUSE else send([command])[0])

    def run(self) -> None:
        """Step the bodies in a random order, some of them in bursts, until all have ended."""
        pace: dict[str, float] = {}
        while self.running:
            names = list(self.running)
            for name in names:
                pace.setdefault(name, self.draw.random() ** 4 + 0.001)
            self.step(self.draw.choices(names, [pace[name] for name in names])[0])

    def write(self) -> int:
        self.number += 1
        return self.number

    async def reading(self, io: IO, read: Callable[[], Body]) -> None:
        for _ in range(3):
            floor = self.floor
            value = await read()
            for one in value if isinstance(value, list) else [value]:
                assert one is None or one >= floor, f"{one} was read after {floor} had been invalidated"
                self.reads += 1

    async def writing(self, io: IO, invalidate: Callable[[], Body]) -> None:
        for _ in range(2):
            number = await io.call(self.write)
            await invalidate()
            self.floor = max(self.floor, number)

    async def writing_through(self, io: IO) -> None:
        call = self.f.call_of()
        nonces = await _claim(io, call, token := str(self.draw.random()))
        number = await io.call(self.write)
        await _settle(io, call.place, token, call.codec.pack(number, nonces), call.recipe.life)
        self.floor = max(self.floor, number)

    async def decaying(self, io: IO) -> None:
        """Leases end, values and nonces are evicted, values get old."""
        call = self.f.call_of()
        keys = [*call.place.keys, *(tag.key for tag in call.tags)]
        for _ in range(4):
            await io.redis.unlink(self.draw.choice(keys))
            await io.redis.execute_command("PEXPIRE", call.place.keys[0], 30_000)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, bare_redis: redis.Redis) -> Callable[[int], World]:
    def play(seed: int) -> World:
        bare_redis.flushall()
        fetch._asked._until.clear()
        world, io = World(seed), IO()
        monkeypatch.setattr(
            fetch, "refresh_behind", lambda call, head: world.start(fetch._refresh_stale(io, call, head))
        )
        f, place, tags = world.f, world.f.call_of().place, world.f.call_of().tags
        for _ in range(3):
            world.start(world.reading(io, lambda: f._get(io)))
        invalidations = [lambda: _forget(io, place), lambda: _forget(io, tags[1]), lambda: _forget(io, *tags, place)]
        for _ in range(2):
            world.start(world.writing(io, world.draw.choice(invalidations)))
        extra = [
            lambda: world.start(world.writing_through(io)),
            lambda: world.start(world.writing_through(io)),
            lambda: world.start(world.decaying(io)),
            lambda: world.start(world.reading(io, lambda: f._many(io, [()]))),
            lambda: world.start(world.reading(io, lambda: f._peek(io))),
            lambda: world.start(world.reading(io, lambda: f._refresh(io))),
        ]
        for start in world.draw.sample(extra, 3):
            start()
        world.run()
        return world

    return play


def worlds(play: Callable[[int], World], seeds: range) -> Iterator[World]:
    listen()
    for seed in seeds:
        try:
            yield play(seed)
        except AssertionError as error:
            raise AssertionError(f"schedule {seed}: {error}") from error


async def _listen(io: IO) -> None:
    here = post("default", None)
    if not here.channel:
        await here.open(io)


listen, _ = both(_listen)


@pytest.mark.usefixtures("one_node")
@pytest.mark.parametrize("part", range(4))
def test_what_was_invalidated_is_never_read(play: Callable[[int], World], part: int) -> None:
    every = list(worlds(play, range(part, EVERYDAY, 4)))
    assert sum(world.reads for world in every) > sum(world.calls for world in every)  # there were hits


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("one_node")
def test_in_very_many_schedules(play: Callable[[int], World]) -> None:
    assert sum(1 for _ in worlds(play, range(EVERYDAY, EVERYDAY + MANY))) == MANY
