"""What is sent again when Redis fails, what is not, and how long that may take."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import redis
from django.test import override_settings

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import aclient, adisconnect, client, options
from django_redis_patterns.core.operations import both
from django_redis_patterns.exceptions import PoolExhausted, RedisDenied, RedisFull, RedisUnavailable
from django_redis_patterns.testing.fixtures import Face
from django_redis_patterns.testing.proxy import FaultProxy
from django_redis_patterns.testing.servers import RedisServer, free_port
from tests.core.desks import connected
from tests.core.examples import Shelf

pytestmark = pytest.mark.permanent_keys("*")
shelf = Shelf()
#: Seconds that a busy machine may add to whatever is timed.
BUSY = 2.0


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[FaultProxy]:
    """A network of this test's own, in front of the default server."""
    with FaultProxy(redis_server.port) as proxy, connected(URL=proxy.url, TIMEOUT=0.3, CONNECT_TIMEOUT=0.2):
        yield proxy


Serve = Callable[..., RedisServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with some options, as the default connection until the test has ended."""
    with ExitStack() as stack:

        def start(*options: str, **connection: Any) -> RedisServer:
            server = stack.enter_context(RedisServer(options=options))
            stack.enter_context(connected(URL=server.url, **connection))
            return server

        yield start


@contextmanager
def within_budget() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < options.target("default").budget + BUSY


def test_a_read_is_asked_again(proxy: FaultProxy, face: Face) -> None:
    """A lost reply to a read costs one more trip, and nobody sees it."""
    client().set("a", "1")
    proxy.cut_reply()
    with trace.record() as log:
        assert face(shelf.get, "a") == "1"
    assert log.trips == 2


def test_a_write_is_not(proxy: FaultProxy, face: Face, bare_redis: redis.Redis) -> None:
    """A lost reply to a write is an error that says that the write may have happened; it happened once."""
    proxy.cut_reply()
    with pytest.raises(RedisUnavailable) as caught:
        face(shelf.bump, "a")
    assert caught.value.ambiguous is True
    assert bare_redis.get("a") in (None, "1")  # an unknown script does nothing, and only its refusal was lost
    face(shelf.bump, "a")
    before = int(str(bare_redis.get("a")))
    proxy.cut_reply()
    with pytest.raises(RedisUnavailable):
        face(shelf.bump, "a")
    assert int(str(bare_redis.get("a"))) == before + 1


def test_a_write_that_never_left_is_sent_again(proxy: FaultProxy, face: Face, bare_redis: redis.Redis) -> None:
    """A connection that nobody takes for a moment is tried again, whatever the command."""
    proxy.refuse()
    threading.Timer(0.005, proxy.heal).start()
    recovered(lambda: face(shelf.bump, "a") == 1)  # the pauses are drawn: now and then they end too early
    assert bare_redis.get("a") == "1"


def test_of_many_only_the_repeatable_are_sent_again(proxy: FaultProxy, bare_redis: redis.Redis) -> None:
    """In one trip with a lost reply the reads come back, and the write says that nobody knows."""
    client().set("a", "1")
    proxy.cut_reply(2)

    async def three(io: Any) -> list[Any]:
        async def caught(body: Any) -> Any:
            try:
                return await body
            except RedisUnavailable as error:
                return error.ambiguous

        return list(await io.gather(*map(caught, (io.redis.get("a"), io.redis.incr("b"), io.redis.get("a")))))

    assert both(three)[0]() == [b"1", True, b"1"]
    assert bare_redis.get("b") == "1"


@pytest.mark.parametrize("fault", ["black_hole", "refuse", "pause"])
def test_no_call_is_longer_than_its_budget(fault: str, proxy: FaultProxy, face: Face) -> None:
    """Whatever the network does, a call ends in time, and the same alias works again afterwards."""
    assert face(shelf.put, "a", "1") is True
    faults: dict[str, Callable[[], None]] = {
        "black_hole": proxy.black_hole,
        "refuse": lambda: (proxy.refuse(), proxy.reset())[0],
        "pause": lambda: setattr(proxy, "latency", 5),
    }
    faults[fault]()
    with within_budget(), pytest.raises(RedisUnavailable):
        face(shelf.get, "a")
    proxy.heal()
    recovered(lambda: face(shelf.get, "a") == "1")


def recovered(works: Callable[[], bool]) -> None:
    """Within two seconds of the server's return."""
    end = time.monotonic() + 2 + BUSY
    while True:
        try:
            assert works()
            return
        except RedisUnavailable:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_drip_and_reset(proxy: FaultProxy, face: Face) -> None:
    """Bytes that come one by one are a reply, and connections cut while idle are nobody's problem."""
    proxy.drip()
    assert face(shelf.put, "a", "1" * 50) is True
    assert face(shelf.get, "a") == "1" * 50
    proxy.heal()
    proxy.reset()
    assert face(shelf.get, "a") == "1" * 50


def test_a_dead_redis_is_not_asked_by_everybody(serve: Serve, face: Face, caplog: pytest.LogCaptureFixture) -> None:
    """After three calls in vain the next ones fail at once; one in a while tries; one line tells of each change."""
    server = serve(TIMEOUT=0.2, CONNECT_TIMEOUT=0.2)
    face(shelf.put, "a", "1")
    server.kill()
    errors = [fail(face) for _ in range(50)]
    assert not any(error.ambiguous for error in errors[1:])
    assert any("is asked again in a moment" in str(error) for error in errors)
    with trace.record() as log:
        for _ in range(50):
            fail(face)
    assert log.trips < 50  # but one in a while tries
    server.restart()
    recovered(lambda: face(shelf.put, "a", "2") is True)
    lines = [r.getMessage() for r in caplog.records if r.name == "django_redis_patterns.connections"]
    assert len(lines) == 2
    assert "does not answer; calls fail at once" in lines[0]
    assert "answers again after" in lines[1]


def fail(face: Face) -> RedisUnavailable:
    with pytest.raises(RedisUnavailable) as caught:
        face(shelf.put, "a", "1")
    return caught.value


def test_one_alias_does_not_answer_for_another(redis_server: RedisServer) -> None:
    """A breaker belongs to its alias."""
    dead = f"redis://127.0.0.1:{free_port()}/0"
    connections = {"default": redis_server.url, "dead": dead}
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": connections}):
        for _ in range(5):
            with pytest.raises(RedisUnavailable):
                Shelf("dead").get("a")
        assert shelf.put("a", "1") is True


def test_a_connection_that_was_cut_is_no_outage(proxy: FaultProxy) -> None:
    """A server that hangs up has answered; only who cannot be reached, or is silent, is away."""
    shelf.bump("a")
    for _ in range(10):
        proxy.cut_reply()
        with pytest.raises(RedisUnavailable, match="outcome is unknown"):
            shelf.bump("a")
    assert shelf.bump("a") == 12


def test_wrong_passwords_are_no_outage(serve: Serve, face: Face) -> None:
    """Who is refused was answered: loudly each time, and never by the breaker."""
    serve("--requirepass", "right", PASSWORD="wrong")
    for _ in range(6):
        with pytest.raises(RedisDenied):
            face(shelf.put, "a", "1")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ("--maxmemory 1", RedisFull, "memory is full"),
        ("--min-replicas-to-write 1", RedisUnavailable, "NOREPLICAS"),
        ("--replicaof 127.0.0.1 1", RedisUnavailable, "replica"),
    ],
)
def test_refused_writes(options: str, error: type[Exception], words: str, serve: Serve, face: Face) -> None:
    """A server that will not write says so; nothing ran, and scripts are no exception."""
    serve(*options.split())
    for write in (lambda: face(shelf.put, "a", "1"), lambda: face(shelf.bump, "a")):
        with pytest.raises(RedisUnavailable, match=words) as caught:
            write()
        assert type(caught.value) is error
        assert caught.value.ambiguous is False


@pytest.fixture
def address(redis_server: RedisServer) -> Iterator[FaultProxy]:
    """An address behind which another server may stand from one moment to the next, as DNS does at a failover."""
    with RedisServer() as old, FaultProxy(old.port) as address, connected(URL=address.url):
        yield address


def test_a_primary_that_was_demoted_is_left(address: FaultProxy, redis_server: RedisServer, face: Face) -> None:
    """Connections to what is a replica now are given up, and the write is sent to who has the address."""
    assert face(shelf.put, "a", "old") is True
    with redis.Redis(port=address.target[1], protocol=2) as old:
        old.replicaof("127.0.0.1", "1")
    address.target = ("127.0.0.1", redis_server.port)
    assert face(shelf.put, "a", "new") is True
    assert face(shelf.bump, "n") == 1


def test_a_busy_server(serve: Serve, face: Face) -> None:
    """Others hear BUSY while a script runs for long: unavailable, and nothing ran."""
    server = serve("--lua-time-limit", "1", TIMEOUT=0.5)
    with redis.Redis.from_url(server.url, protocol=2) as spinning, redis.Redis.from_url(server.url) as other:
        thread = threading.Thread(target=lambda: spin(spinning))
        thread.start()
        wait_until_busy(other)
        with pytest.raises(RedisUnavailable, match=r"BUSY|busy") as caught:
            face(shelf.put, "a", "1")
        assert caught.value.ambiguous is False
        other.script_kill()
        thread.join()
    recovered(lambda: face(shelf.put, "a", "1") is True)


def spin(client: redis.Redis) -> None:
    with pytest.raises(redis.ResponseError):
        client.eval("while true do end", 0)


def wait_until_busy(client: redis.Redis) -> None:
    for _ in range(500):
        try:
            client.get("a")
        except redis.ResponseError:
            return
        time.sleep(0.01)
    raise AssertionError("The script does not spin.")


def test_a_full_pool_is_waited_for(redis_server: RedisServer) -> None:
    """Thirty threads share two connections, and each gets its turn."""
    with connected(URL=redis_server.url, MAX_CONNECTIONS=2, CONNECT_TIMEOUT=5):
        shelf.put("a", "1")
        found: list[str] = []
        threads = [threading.Thread(target=lambda: found.append(shelf.get("a"))) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == ["1"] * 30
        pool = client().connection_pool  # type: ignore[union-attr]
        assert len(pool._available_connections) <= 2


def test_a_full_pool_is_waited_for_on_a_loop(redis_server: RedisServer) -> None:
    """The same for a hundred tasks."""

    async def main() -> list[str]:
        await shelf.aput("a", "1")
        found = await asyncio.gather(*(shelf.aget("a") for _ in range(100)))
        await adisconnect()
        return list(found)

    with connected(URL=redis_server.url, MAX_CONNECTIONS=2, CONNECT_TIMEOUT=5):
        assert asyncio.run(main()) == ["1"] * 100


def test_a_pool_that_stays_full_is_told(redis_server: RedisServer) -> None:
    """Who waited in vain hears that all connections are in use, and which setting says how many there are."""
    with connected(URL=redis_server.url, MAX_CONNECTIONS=1, CONNECT_TIMEOUT=0.1):
        pool: Any = client().connection_pool  # type: ignore[union-attr]
        taken = pool.get_connection()
        with within_budget(), pytest.raises(PoolExhausted, match="MAX_CONNECTIONS") as caught:
            shelf.put("a", "1")
        assert caught.value.ambiguous is False
        pool.release(taken)
        assert shelf.put("a", "1") is True


def test_a_pool_that_stays_full_is_told_on_a_loop(redis_server: RedisServer) -> None:
    """The same on an event loop."""

    async def main() -> None:
        pool: Any = (await aclient()).connection_pool  # type: ignore[union-attr]
        taken = await pool.get_connection()
        with within_budget(), pytest.raises(PoolExhausted):
            await shelf.aput("a", "1")
        await pool.release(taken)
        assert await shelf.aput("a", "1") is True
        await adisconnect()

    with connected(URL=redis_server.url, MAX_CONNECTIONS=1, CONNECT_TIMEOUT=0.1):
        asyncio.run(main())


def test_a_connection_that_nobody_gave_back_is_replaced(redis_server: RedisServer) -> None:
    """What a signal kept from being released does not use up the pool for ever."""
    with connected(URL=redis_server.url, MAX_CONNECTIONS=1):
        client().connection_pool.get_connection()  # type: ignore[union-attr]
        assert shelf.put("a", "1") is True
