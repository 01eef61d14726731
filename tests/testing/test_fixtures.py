import asyncio
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
import redis
from django.test import override_settings

from django_redis_patterns.core.connections import client
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


def serve(connection: dict[str, Any]) -> None:
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": connection}}):
        assert client().set("served", "1", ex=60)


def test_a_server_that_speaks_tls(tls_server):
    assert tls_server.url.startswith("rediss://")
    serve(tls_server.connection)


def test_servers_behind_sentinels(sentinel_trio):
    serve(sentinel_trio.connection)


@pytest.mark.cluster
def test_servers_that_are_a_cluster(redis_cluster):
    serve(redis_cluster.connection)


@pytest.mark.parametrize("times", [1, 2])
def test_a_proxy_that_is_whole_again_for_the_next_test(times, fault_proxy, redis_server, bare_redis):
    assert fault_proxy.target == ("127.0.0.1", redis_server.port)
    serve(fault_proxy.connection)
    fault_proxy.refuse()
    with pytest.raises(redis.ConnectionError):
        serve(fault_proxy.connection)
    assert bare_redis.get("served") == "1"


def test_tests_about_tls_are_skipped_without_it(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest("""
        from django_redis_patterns.testing import fixtures
        from django_redis_patterns.testing.fixtures import *

        fixtures.has_tls = lambda: False
    """)
    pytester.makepyfile("def test_tls(tls_server): pass")
    pytester.runpytest_subprocess("-p", "no:django", "-p", "no:asyncio", "-W", "ignore").assert_outcomes(skipped=1)


@pytest.fixture(autouse=True)
def tidy(bare_redis, no_leaked_keys):
    yield
    bare_redis.delete("leaked")
