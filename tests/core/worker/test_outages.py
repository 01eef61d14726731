"""Redis goes away and comes back: nothing is lost, nothing that lives is stolen from, and it is said once."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from django_redis_patterns.testing.proxy import FaultProxy
from django_redis_patterns.testing.servers import RedisServer
from tests.core.worker.conftest import Site, until

pytestmark = pytest.mark.permanent_keys("*:words:*")
KEEPING = ["--appendonly", "yes", "--appendfsync", "always"]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """What it acknowledged is there after a restart."""
    with RedisServer(options=KEEPING) as server:
        yield server


@pytest.fixture
def site(server: RedisServer, tmp_path: Path) -> Iterator[Site]:
    with server.client(decode_responses=True) as client:
        client.flushall()
        site = Site(tmp_path, client, server.connection)
        yield site
        site.end()


def test_redis_restarts_while_nothing_is_to_be_done(site: Site, server: RedisServer) -> None:
    program = site.program()
    until(program.children)
    for number in range(2):
        with server.down():
            until(lambda number=number: program.log.count("Trying again") > number)
        site.push(f"sleep:0:{number}")
        site.ended(f"ok sleep:0:{number}")
    until(lambda: program.log.count(": back after") == program.log.count("Trying again"))


def test_a_job_ends_while_redis_is_away(site: Site, server: RedisServer) -> None:
    """Its end is kept, and recorded when that can be; it is not run again."""
    site.program("--concurrency", "1")
    site.push("wait:go:1")
    until(lambda: site.noted("began"))
    with server.down():
        (site.folder / "go").touch()
        until(lambda: site.noted("ended"))
    site.ended("ok wait:go:1")
    assert site.ends() == {"ok wait:go:1": 1}
    assert site.runs() == {"wait:go:1": 1}


@pytest.mark.slow
def test_a_program_is_stopped_while_redis_is_away(site: Site, server: RedisServer) -> None:
    """It says what it could not record, and ends; that runs again elsewhere."""
    program = site.program("--grace", "0")
    site.push("wait:never:1")
    until(lambda: site.noted("began"))
    with server.down():
        program.process.signal(signal.SIGTERM)
        assert program.wait() == 0
        assert "could not be recorded" in program.log
    site.program()
    until(lambda: site.runs()["wait:never:1"] == 2)


@pytest.mark.slow
def test_nobody_is_robbed_after_a_long_outage(site: Site, server: RedisServer) -> None:
    """All leases have run out meanwhile: those who live get the time to say so, though another is faster."""
    program = site.program(lease=3)
    site.push("wait:go:1")
    until(lambda: site.noted("began"))
    other = site.program(lease=3)
    until(other.children)
    program.process.freeze()
    with server.down():
        until(lambda: "words: " in other.log)
        time.sleep(4)
    until(lambda: "words: back" in other.log)
    time.sleep(0.3)
    program.process.thaw()
    site.push("sleep:0:2")
    site.ended("ok sleep:0:2")
    time.sleep(4)
    (site.folder / "go").touch()
    site.ended("ok wait:go:1")
    assert site.runs()["wait:go:1"] == 1
    assert not any(end.startswith("refused") for end in site.ends())


def test_a_redis_that_comes_back_empty(site: Site, server: RedisServer) -> None:
    """Leases are there again at once, and work goes on."""
    program = site.program(lease=1)
    until(program.children)
    site.redis.flushall()
    until(program.children)
    site.push("sleep:0:1")
    site.ended("ok sleep:0:1")


def test_replies_are_lost(site: Site, server: RedisServer) -> None:
    """What a take has brought, and nobody heard of, is found again; what was recorded twice counts once."""
    words = [f"sleep:0.002:{n}" for n in range(100)]
    with FaultProxy(server.port) as proxy:
        site.connection = proxy.connection
        program = site.program()
        until(program.children)
        for start in range(0, 100, 10):
            proxy.cut_reply(3)
            site.push(*words[start : start + 10])
            time.sleep(0.1)
        site.ended(*(f"ok {word}" for word in words))
        program.process.signal(signal.SIGTERM)
        assert program.wait() == 0
        assert "Trying again" in program.log
    assert site.runs() == dict.fromkeys(words, 1)
    assert site.taken() == {}
