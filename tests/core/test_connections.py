import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync
from django.test import override_settings
from redis import asyncio as aredis

from django_redis_patterns.core.connections import aclient, adisconnect, client, options, reset
from django_redis_patterns.core.connections.guard import AsyncGuardedConnection
from django_redis_patterns.core.operations import batch
from django_redis_patterns.exceptions import RedisDenied, RedisUnavailable
from django_redis_patterns.testing.cluster import RedisCluster
from django_redis_patterns.testing.fixtures import Face
from django_redis_patterns.testing.servers import RedisServer, free_port
from tests.core.examples import Shelf

pytestmark = pytest.mark.permanent_keys("*")
shelf = Shelf()


@contextmanager
def connected(**connection: Any) -> Iterator[None]:
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": connection}}):
        yield


@pytest.fixture
def unstable() -> Iterator[RedisServer]:
    """A server of this test's own, as the default connection, with a short time-out."""
    with RedisServer() as server, connected(URL=server.url, TIMEOUT=0.2, CONNECT_TIMEOUT=0.2):
        yield server


@pytest.fixture
def locked() -> Iterator[RedisServer]:
    with RedisServer(options=["--requirepass", "hunter2"]) as server:
        yield server


def in_cache(backend: str, url: str, **of_cache: Any) -> override_settings:
    cache = {"BACKEND": backend, "LOCATION": url, "OPTIONS": of_cache}
    return override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": {"CACHE": "shop"}}}, CACHES={"shop": cache})


def test_by_url(face: Face) -> None:
    """A URL is enough."""
    assert face(shelf.put, "a", "1") is True


def test_by_parts(redis_server: RedisServer) -> None:
    """Host, port and database make a connection."""
    with connected(HOST="127.0.0.1", PORT=redis_server.port, DB=3):
        assert shelf.put("a", "1") is True
        assert client().connection_pool.connection_kwargs["db"] == 3  # type: ignore[union-attr]


def test_by_socket(tmp_path: Path) -> None:
    """A Unix socket makes a connection."""
    path = str(tmp_path / "redis.sock")
    with RedisServer(options=["--unixsocket", path]), connected(PATH=path):
        assert shelf.put("a", "1") is True


@pytest.mark.parametrize("backend", ["django_redis.cache.RedisCache", "django.core.cache.backends.redis.RedisCache"])
def test_by_an_alias_of_caches(backend: str, locked: RedisServer) -> None:
    """A Redis cache lends its address and its password."""
    password = {"PASSWORD": "hunter2"} if "django_redis" in backend else {"password": "hunter2"}
    with in_cache(backend, locked.url, **password):
        assert shelf.put("a", "1") is True


def test_by_password_file(tmp_path: Path, locked: RedisServer) -> None:
    """The password may come from a file."""
    (tmp_path / "password").write_text("hunter2\n")
    with connected(URL=locked.url, PASSWORD_FILE=str(tmp_path / "password")):
        assert shelf.put("a", "1") is True


def test_a_wrong_password_is_loud(locked: RedisServer) -> None:
    """A wrong password is RedisDenied, and never taken for an outage."""
    with connected(URL=locked.url, PASSWORD="wrong"), pytest.raises(RedisDenied) as caught:
        shelf.put("a", "1")
    assert not isinstance(caught.value, RedisUnavailable)
    assert "wrong" not in str(caught.value).replace("WRONGPASS", "")


def test_no_password_in_a_repr() -> None:
    """What is printed of a target or a client does not hold the password."""
    with connected(URL="redis://ann:hunter2@127.0.0.1:1/0"):
        assert options.target("default").options["password"] == "hunter2"
        assert "hunter2" not in repr(options.target("default"))


def _any_node(to: Any) -> Any:
    return to.get_node_from_key("a")


def _explicit(kwargs: dict[str, Any]) -> None:
    expected = {"protocol": 2, "socket_timeout": 1.0, "socket_connect_timeout": 0.5}
    assert {name: kwargs[name] for name in expected} == expected
    assert kwargs["socket_keepalive"] is True
    assert kwargs["decode_responses"] is False


def test_options_are_explicit(one_node: None) -> None:
    """No library default decides about protocol, time-outs, retries or pool size."""
    pool = client().connection_pool  # type: ignore[union-attr]
    _explicit(pool.connection_kwargs)
    assert pool.connection_kwargs["retry"].get_retries() == 0
    assert pool.connection_kwargs["health_check_interval"] == 15
    assert pool.max_connections == 100

    async def main() -> None:
        pool = (await aclient()).connection_pool  # type: ignore[union-attr]
        _explicit(pool.connection_kwargs)
        assert pool.connection_kwargs["retry"].get_retries() == 0
        await adisconnect()

    asyncio.run(main())


@pytest.mark.cluster
def test_options_are_explicit_on_a_cluster() -> None:
    """A cluster's nodes get the same options, and nothing is sent again by the driver."""
    with RedisCluster(replicas=0) as cluster, connected(CLUSTER=cluster.urls):
        to: Any = client()
        assert isinstance(to, redis.RedisCluster)
        _explicit(to.get_redis_connection(_any_node(to)).connection_pool.connection_kwargs)
        assert to.retry.get_retries() == 0

        async def main() -> None:
            to = await aclient()
            assert isinstance(to, aredis.RedisCluster)
            _explicit(to.get_primaries()[0].connection_kwargs)
            nodes = [*to.get_nodes(), *to.nodes_manager.startup_nodes.values()]
            assert {node.connection_class for node in nodes} == {AsyncGuardedConnection}
            assert to.retry.get_retries() == 0
            await adisconnect()

        asyncio.run(main())


def test_blocking_commands_have_connections_apart(one_node: None) -> None:
    """A blocking command never keeps others waiting for its connection, and its time-out is longer than its wait."""
    assert client(block=3) is not client()
    assert client(block=3) is client(block=5)
    assert client(block=3).connection_pool.connection_kwargs["socket_timeout"] == 6.0  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="over 30 s"):
        client(block=31)


def leave_a_reply_unread(pool: redis.ConnectionPool) -> None:
    connection = pool.get_connection()
    connection.send_command("BLPOP", "nothing", 0.2)  # type: ignore[no-untyped-call]
    pool.release(connection)


def test_an_unread_reply_reaches_nobody(redis_server: RedisServer, bare_redis: redis.Redis) -> None:
    """A plain pool hands the next caller a foreign reply; ours does not."""
    bare_redis.set("mine", "1")
    plain = redis.ConnectionPool(redis.Connection, host="127.0.0.1", port=redis_server.port, protocol=2)
    leave_a_reply_unread(plain)
    with redis.Redis.from_pool(plain) as unguarded:
        assert unguarded.get("mine") is None
    guarded = client()
    leave_a_reply_unread(guarded.connection_pool)  # type: ignore[union-attr]
    assert guarded.get("mine") == b"1"


def test_an_unread_reply_reaches_nobody_async(redis_server: RedisServer, bare_redis: redis.Redis) -> None:
    """The same on an event loop."""
    bare_redis.set("mine", "1")

    async def next_reply(to: Any) -> Any:
        connection = await to.connection_pool.get_connection()
        await connection.send_command("BLPOP", "nothing", 0.2)
        await to.connection_pool.release(connection)
        return await to.get("mine")

    async def main() -> tuple[Any, Any]:
        plain = aredis.ConnectionPool(aredis.Connection, host="127.0.0.1", port=redis_server.port, protocol=2)
        async with aredis.Redis.from_pool(plain) as unguarded:
            replies = await next_reply(unguarded), await next_reply(await aclient())
        await adisconnect()
        return replies

    assert asyncio.run(main()) == (None, b"1")


def test_the_guard_keeps_good_connections(bare_redis: redis.Redis) -> None:
    """Errors, pipelines and transactions leave nothing unread, so they cost no reconnection."""
    to = client()
    to.set("text", "x")
    before = bare_redis.info("stats")["total_connections_received"]
    for _ in range(20):
        with pytest.raises(redis.ResponseError):
            to.lpush("text", "y")
        for transaction in (True, False):
            pipeline = to.pipeline(transaction=transaction)
            pipeline.get("text")
            pipeline.lpush("text", "y")
            pipeline.execute(raise_on_error=False)
    assert bare_redis.info("stats")["total_connections_received"] == before


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files as Linux tells them")
def test_many_short_loops_do_not_pile_up_sockets() -> None:
    """Hundreds of async_to_sync calls, each a loop of its own, keep the number of open files bounded."""
    shelf.put("a", "1")

    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    async_to_sync(shelf.aget)("a")
    before = open_files()
    for _ in range(300):
        assert async_to_sync(shelf.aget)("a") == "1"
    assert open_files() <= before + 5


def _in_child(work: Callable[[], Any]) -> Callable[[], Any]:
    """Fork, work there, and return a function that waits for the result."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writer)

    def wait() -> Any:
        with open(reader, "rb") as pipe:
            told = pipe.read()
        os.waitpid(pid, 0)
        return json.loads(told)

    return wait


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
def test_fork(bare_redis: redis.Redis) -> None:
    """Parent and child use a client at the same time, and each gets its own replies."""
    for name in ("parent", "child"):
        bare_redis.set(name, name[0])
    assert shelf.get("parent") == "p"  # the parent is connected when it forks
    child = _in_child(lambda: [shelf.get("child") for _ in range(300)])
    assert {shelf.get("parent") for _ in range(300)} == {"p"}
    assert set(child()) == {"c"}


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
def test_fork_with_an_event_loop(bare_redis: redis.Redis) -> None:
    """A child that was forked from a program with a loop leaves the parent's loop alone."""
    for name in ("parent", "child"):
        bare_redis.set(name, name[0])
    with asyncio.Runner() as runner:
        assert runner.run(shelf.aget("parent")) == "p"
        child = _in_child(lambda: shelf.get("child"))
        assert child() == "c"
        assert {runner.run(shelf.aget("parent")) for _ in range(20)} == {"p"}
        runner.run(adisconnect())


def test_nobody_listens(face: Face) -> None:
    """A refused connection is RedisUnavailable, and surely nothing was sent."""
    with connected(URL=f"redis://127.0.0.1:{free_port()}/0"), pytest.raises(RedisUnavailable) as caught:
        face(shelf.put, "a", "1")
    assert caught.value.ambiguous is False


def test_the_server_falls_silent(unstable: RedisServer, face: Face) -> None:
    """A server that freezes in mid-call is RedisUnavailable within the time-out, and its outcome is unknown."""
    assert face(shelf.put, "a", "1") is True
    unstable.pause()
    started = time.monotonic()
    with pytest.raises(RedisUnavailable) as caught:
        face(shelf.put, "a", "2")
    unstable.resume()
    assert time.monotonic() - started < options.target("default").budget + 2
    assert caught.value.ambiguous is True
    assert caught.value.alias == "default"


def test_the_server_comes_back(unstable: RedisServer, face: Face) -> None:
    """After a restart the first or second call works again."""
    face(shelf.put, "a", "1")
    unstable.kill()
    with pytest.raises(RedisUnavailable):
        face(shelf.put, "a", "2")
    unstable.restart()
    assert face(shelf.put, "a", "3") is True


def test_an_error_of_ours_keeps_its_cause() -> None:
    """The driver's error is the cause of ours, for who wants to know."""
    with connected(URL=f"redis://127.0.0.1:{free_port()}/0"), pytest.raises(RedisUnavailable) as caught:
        shelf.put("a", "1")
    assert isinstance(caught.value.__cause__, redis.ConnectionError)


def test_the_escape_hatch_is_plain_redis() -> None:
    """client() is redis-py's own, with its own errors."""
    client().set("a", "x")
    with pytest.raises(redis.ResponseError):
        client().lpush("a", "y")


def test_new_settings_close_what_is_idle(one_node: None) -> None:
    """A dropped client's sockets are closed at once, and not whenever the garbage collector finds them."""
    shelf.put("a", "1")
    idle: Any = client().connection_pool._available_connections[0]  # type: ignore[union-attr]
    assert idle.is_connected
    reset()
    assert not idle.is_connected
    assert shelf.get("a") == "1"


def test_a_cancellation_is_never_forgotten() -> None:
    """At whichever moment of a call it comes, it ends the task."""

    async def go_on() -> None:
        to = await aclient()
        while True:
            await to.ping()

    async def main() -> None:
        await go_on_for(0)
        for steps in range(120):
            await go_on_for(steps)
        await adisconnect()

    async def go_on_for(steps: int) -> None:
        task = asyncio.create_task(go_on())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=10)
        assert done
        assert task.cancelled()

    asyncio.run(main())


def test_who_watches_redis_py_sees_every_command(monkeypatch: pytest.MonkeyPatch, one_node: None) -> None:
    """Watchers of sites wrap these two methods."""
    seen: list[Any] = []
    execute, execute_many = redis.Redis.execute_command, redis.client.Pipeline.execute

    def watched(self: Any, *args: Any, **options: Any) -> Any:
        seen.append(args[0])
        return execute(self, *args, **options)

    def watched_many(self: Any, raise_on_error: bool = True) -> Any:
        seen.extend(args[0] for args, _ in self.command_stack)
        return execute_many(self, raise_on_error)

    monkeypatch.setattr(redis.Redis, "execute_command", watched)
    monkeypatch.setattr(redis.client.Pipeline, "execute", watched_many)
    shelf.put("a", "1")
    with batch() as together:
        together(shelf.put, "b", "1")
        together(shelf.put, "c", "1")
    assert seen == ["SET", "SET", "SET"]
