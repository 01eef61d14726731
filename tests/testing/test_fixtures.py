import asyncio
from contextvars import ContextVar
from pathlib import Path

import pytest

from django_redis_patterns.core.operations import IO, both

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
LANGUAGE = ContextVar("language", default="en")


class Counter:
    connection = "default"

    async def _increase(self, io: IO, by: int) -> int:
        pipeline = await io.gather(io.redis.incrby("counter", by), io.redis.expire("counter", 60))
        return pipeline[0]

    increase, aincrease = both(_increase)


async def _double(io: IO, number: int) -> int:
    return 2 * int(await io.redis.echo(str(number)))


double, adouble = both(_double)


def test_face_runs_a_method_in_every_way(face):
    assert face(Counter().increase, 3) == 3
    assert face(Counter().increase, by=4) == 7


def test_face_runs_a_function_in_every_way(face):
    assert face(double, 21) == 42


def test_face_keeps_one_loop_for_a_test(face):
    async def _loop(io: IO) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    if face.way == "async":
        loop, _ = both(_loop)
        assert face(loop) is face(loop)


def test_face_runs_in_the_context_of_its_caller(face):
    async def _seen(io: IO) -> str:
        return LANGUAGE.get()

    seen, _ = both(_seen)
    for language in ("de", "fr"):
        LANGUAGE.set(language)
        assert face(seen) == language


@pytest.mark.permanent_keys("kept:*")
def test_a_declared_key_may_stay(bare_redis):
    bare_redis.set("kept:1", "for ever")


def test_a_leaked_key_fails_its_test(pytester, redis_server, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest(f"""
        from django.conf import settings
        from django_redis_patterns.testing.fixtures import *

        settings.configure(REDIS_PATTERNS={{"CONNECTIONS": {{"default": {redis_server.url!r}}}}})
    """)
    pytester.makepyfile(f"""
        import redis

        def test_leak(no_leaked_keys):
            with redis.Redis.from_url({redis_server.url!r}, protocol=2) as client:
                client.set("leaked", "1")
                client.set("fading", "1", ex=60)
    """)
    result = pytester.runpytest_subprocess("-p", "no:django", "-p", "no:asyncio", "-W", "ignore")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*without a TTL were left behind: leaked"])


@pytest.fixture(autouse=True)
def tidy(bare_redis, no_leaked_keys):
    yield
    bare_redis.delete("leaked")
