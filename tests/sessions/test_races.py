"""Requests of one user that race, command by command, in 1,000 random schedules that are the same in every run."""

import random
import time
from collections.abc import Coroutine, Generator, Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted

from django_redis_patterns.core.conductor import Call, Gather
from django_redis_patterns.core.connections.wire import Command, send
from django_redis_patterns.core.operations import IO
from django_redis_patterns.sessions import SessionStore, store
from django_redis_patterns.sessions.handle import Handle, index_key
from django_redis_patterns.sessions.index import _for_user, _logout, _logout_everywhere

from .conftest import login

USER = User(pk=7)
SCHEDULES = 1000
IDS = random.Random()


@pytest.fixture(autouse=True)
def drawn_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ids follow from the schedule's seed: they decide the order of the index."""
    monkeypatch.setattr(store, "get_random_string", lambda length, chars: "".join(IDS.choices(chars, k=length)))


def commands(body: Coroutine[Any, Any, Any]) -> Generator[Command, Any, Any]:
    """Yield what *body* asks of Redis, one command at a time: others may come between those of a pipeline."""
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
        else:
            reply = yield request


class Race:
    """Bodies that run side by side; ``results`` has what those that ended returned, by name."""

    def __init__(self, **bodies: Coroutine[Any, Any, Any]) -> None:
        self.running = {name: (commands(body), None) for name, body in bodies.items()}
        self.results: dict[str, Any] = {}

    def step(self, name: str) -> None:
        body, reply = self.running[name]
        try:
            command = body.send(reply)
        except StopIteration as stop:
            del self.running[name]
            self.results[name] = stop.value
        else:
            self.running[name] = (body, send([command])[0])


async def loaded(io: IO, id: str | None) -> SessionStore:
    session = SessionStore(id)
    await session._ensure_loaded(io)
    return session


async def saving(io: IO, id: str | None) -> None:
    session = await loaded(io, id)
    if session.session_key:
        session["page"] = 1
        with suppress(UpdateError):
            await session._save(io)


async def cycling(io: IO, id: str | None) -> None:
    """Give a new id and save, as a change of password does."""
    session = await loaded(io, id)
    if session.session_key:
        with suppress(SessionInterrupted, UpdateError):
            await session._cycle_key(io)
            await session._save(io)


async def flushing(io: IO, id: str | None) -> None:
    session = await loaded(io, id)
    if session.session_key:
        await session._delete(io)


async def logging_in(io: IO) -> None:
    session = SessionStore()
    await session._cycle_key(io)
    session["_auth_user_id"] = "7"
    with suppress(UpdateError):
        await session._save(io)


def ids_of(sessions: list[SessionStore]) -> list[str | None]:
    return [session.session_key for session in sessions]


def run(race: Race, seed: int) -> Iterator[None]:
    """Step the bodies in a random order, some of them in bursts, until all have ended."""
    draw = random.Random(seed)
    pace = {name: draw.random() ** 4 + 0.001 for name in race.running}
    while race.running:
        names = list(race.running)
        race.step(draw.choices(names, [pace[name] for name in names])[0])
        yield


def living(bare_redis: redis.Redis) -> set[str]:
    """The keys of all sessions in Redis; in a race there are the user's only."""
    return {key for key in bare_redis.keys("redis_patterns:sessions:*") if bare_redis.type(key) == "hash"}


def listed(bare_redis: redis.Redis) -> set[str]:
    """The keys of the sessions that the index lists, those left out that it will trim within the hour."""
    lasting = (time.time() + 3600) * 1000
    handles = [Handle.parse(member) for member in bare_redis.zrangebyscore(index_key("7"), lasting, "+inf")]
    return {handle.key for handle in handles if handle}


@pytest.mark.parametrize("part", range(4))
def test_an_ended_session_never_lives_again(bare_redis: redis.Redis, part: int) -> None:
    """Once `logout_everywhere` has returned, no session that it found, under whatever id, lives or comes to live.

    Saves, logouts, changes of id and readings of the list race with it, and go on after it.
    """
    for seed in range(part, SCHEDULES, 4):
        bare_redis.flushall()
        IDS.seed(seed)
        a, b = ids_of([login(7), login(7)])
        io = IO()
        race = Race(
            everywhere=_logout_everywhere(io, USER),
            save=saving(io, a),
            cycle=cycling(io, a),
            cycle_too=cycling(io, b),
            save_too=saving(io, b),
            logout=flushing(io, b),
            **({"read": _for_user(io, USER), "read_too": _for_user(io, USER)} if seed % 2 else {}),
        )
        for _ in run(race, seed):
            if "everywhere" in race.results:
                assert not living(bare_redis), f"schedule {seed}"


@pytest.mark.parametrize("part", range(4))
def test_a_logged_out_session_never_lives_again(bare_redis: redis.Redis, part: int) -> None:
    """Once `logout` has ended a session, neither it nor one that goes back to it lives, whatever was on its way."""
    ended = 0
    for seed in range(part, SCHEDULES, 4):
        bare_redis.flushall()
        IDS.seed(seed)
        a = login(7).session_key
        io = IO()
        race = Race(
            logout=_logout(io, USER, str(Handle.of(a))),
            save=saving(io, a),
            cycle=cycling(io, a),
            save_too=saving(io, a),
            cycle_too=cycling(io, a),
        )
        for _ in run(race, seed):
            if race.results.get("logout"):
                assert not living(bare_redis), f"schedule {seed}"
        ended += race.results["logout"]
    assert 0 < ended < SCHEDULES / 4  # both outcomes were among the schedules


@pytest.mark.parametrize("part", range(4))
def test_a_living_session_is_always_found(bare_redis: redis.Redis, part: int) -> None:
    """After every schedule each living session is in its user's index for as long as it lives."""
    for seed in range(part, SCHEDULES, 4):
        bare_redis.flushall()
        IDS.seed(seed)
        a, b = ids_of([login(7), login(7)])
        io = IO()
        race = Race(
            read=_for_user(io, USER),
            read_too=_for_user(io, USER),
            save=saving(io, a),
            cycle=cycling(io, a),
            cycle_too=cycling(io, b),
            login=logging_in(io),
            logout=flushing(io, b),
            **({"everywhere": _logout_everywhere(io, USER)} if seed % 3 == 0 else {}),
        )
        for _ in run(race, seed):
            pass
        assert living(bare_redis) <= listed(bare_redis), f"schedule {seed}"
