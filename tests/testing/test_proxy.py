import asyncio
import gc
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import redis

from django_redis_patterns.testing.proxy import FaultProxy
from django_redis_patterns.testing.servers import RedisServer, ServerError

pytestmark = pytest.mark.permanent_keys("*")  # What is set here is gone before the next test.

SOON = 0.3  # seconds: what a client waits for an answer that does not come
PATIENT = 20.0


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[FaultProxy]:
    with FaultProxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[redis.Redis]:
    """A client that never tries twice."""
    with redis.Redis.from_url(proxy.url, protocol=2, socket_timeout=PATIENT) as client:
        yield client


@pytest.fixture
def hasty(proxy: FaultProxy) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(proxy.url, protocol=2, socket_timeout=SOON) as client:
        yield client


def raw(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENT)


def receive_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(4096), b""))


def test_passes_everything_on(client):
    value = bytes(range(256)) * 10_000
    assert client.set("a", value)
    assert client.get("a") == value


def test_counts_commands_without_those_that_set_up_a_connection(client, proxy):
    client.ping()
    assert proxy.commands == 0
    client.set("a", "*3\r\n$3\r\nSET\r\n")
    assert proxy.commands == 1
    with client.pipeline() as pipeline:
        pipeline.get("a").get("b").execute()
    assert proxy.commands == 5  # MULTI, GET, GET, EXEC


def test_latency_is_added_each_way_and_ends(client, proxy):
    client.ping()
    proxy.latency = 0.15
    start = time.monotonic()
    client.ping()
    assert time.monotonic() - start >= 0.3
    proxy.latency = 1000
    threading.Timer(0.2, proxy.heal).start()
    client.ping()


@pytest.mark.parametrize("when", ["open", "new"])
def test_a_black_hole_says_nothing(hasty, bare_redis, proxy, when):
    """On open connections and new ones, and what it swallowed has never happened."""
    if when == "open":
        hasty.ping()
    proxy.black_hole()
    with pytest.raises(redis.TimeoutError):
        hasty.incr("a")
    proxy.heal()
    assert hasty.incr("a") == 1
    assert bare_redis.get("a") == "1"


def test_a_black_hole_hides_that_the_server_is_gone():
    with RedisServer() as server, FaultProxy(server.port) as proxy, raw(proxy) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100) == b"+PONG\r\n"
        proxy.black_hole()
        server.kill()
        connection.settimeout(SOON)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            connection.recv(100)


def test_a_connection_that_lost_nothing_in_a_black_hole_lives_on(proxy):
    with raw(proxy) as connection:
        proxy.black_hole()
        proxy.heal()
        connection.sendall(b"PING\r\n")
        assert connection.recv(100) == b"+PONG\r\n"


def test_reset_tells_open_connections_and_serves_new_ones(client, proxy):
    with raw(proxy) as connection:
        connection.sendall(b"PING\r\n")
        connection.recv(100)
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    assert client.ping()


def test_reset_ends_a_command_that_waits(client, bare_redis, proxy):
    def reset_when_it_waits() -> None:
        while bare_redis.info("clients")["blocked_clients"] == 0:
            time.sleep(0.01)
        proxy.reset()

    helper = threading.Thread(target=reset_when_it_waits)
    helper.start()
    with pytest.raises(redis.ConnectionError):
        client.blpop("nothing", 10)
    helper.join()


def test_refuse_refuses_new_connections_until_it_is_healed(client, proxy):
    client.ping()
    proxy.refuse()
    proxy.refuse()
    assert client.ping()
    with pytest.raises(ConnectionRefusedError):
        raw(proxy)
    proxy.heal()
    with raw(proxy) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100) == b"+PONG\r\n"


def test_the_port_of_a_proxy_that_refuses_stays_reserved(proxy):
    proxy.refuse()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", proxy.port))


def test_a_cut_reply_leaves_a_command_that_has_run_once(client, bare_redis, proxy):
    client.incr("a")
    proxy.cut_reply()
    with pytest.raises(redis.ConnectionError):
        client.incr("a")
    assert bare_redis.get("a") == "2"
    assert client.incr("a") == 3


@pytest.mark.parametrize("after", [1, 2, 3])
def test_the_command_whose_reply_is_cut_can_be_chosen(client, bare_redis, proxy, after):
    proxy.cut_reply(after)
    for _ in range(after - 1):
        client.incr("a")
    with pytest.raises(redis.ConnectionError):
        client.incr("a")
    assert bare_redis.get("a") == str(after)


def test_what_sets_up_a_connection_is_not_cut(proxy, bare_redis):
    proxy.cut_reply()
    with redis.Redis.from_url(f"{proxy.url[:-1]}1", protocol=3, client_name="tester") as client:
        with pytest.raises(redis.ConnectionError):
            client.incr("a")
        assert client.incr("a") == 2
        client.delete("a")


def test_in_a_pipeline_the_replies_before_the_cut_one_arrive(proxy, bare_redis):
    with raw(proxy) as connection:
        proxy.cut_reply(after=3)
        connection.sendall(b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n" * 4)
        assert receive_all(connection) == b":1\r\n:2\r\n"
    assert bare_redis.get("a") == "4"


def test_commands_that_arrive_in_pieces_are_told_apart(proxy, bare_redis):
    with raw(proxy) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        proxy.cut_reply(after=2)
        for byte in b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n" * 2:
            connection.sendall(bytes([byte]))
            time.sleep(0.001)
        assert receive_all(connection) == b":1\r\n"
    assert proxy.commands == 2


def test_a_reply_of_any_shape_is_counted_as_one(client, proxy):
    """Nested, empty, absent, and larger than a segment."""
    client.rpush("list", *range(100))
    client.set("large", "x" * 1_000_000)
    with client.pipeline(transaction=False) as pipeline:
        pipeline.lrange("list", 0, -1).lrange("none", 0, -1).get("none").get("large").set("empty", "").get("empty")
        pipeline.eval("return {1, {2, {}, 'x'}, false}", 0)
        proxy.cut_reply(after=8)
        pipeline.execute()
    with pytest.raises(redis.ConnectionError):
        client.incr("a")
    assert client.get("a") == b"1"


def test_a_cut_can_be_called_off(client, proxy):
    proxy.cut_reply()
    proxy.heal()
    assert client.incr("a") == 1


def test_there_is_no_command_before_the_next(proxy):
    with pytest.raises(ValueError, match="number 1"):
        proxy.cut_reply(after=0)


def test_a_subscription_is_cut_at_whatever_comes_next(client, bare_redis, proxy):
    with client.pubsub() as pubsub:
        pubsub.subscribe("news")
        assert pubsub.get_message(timeout=PATIENT)["type"] == "subscribe"
        bare_redis.publish("news", "1")
        assert pubsub.get_message(timeout=PATIENT)["data"] == b"1"
        proxy.cut_reply()
        connection = pubsub.connection
        connection.send_command("SUBSCRIBE", "weather")
        with pytest.raises(redis.ConnectionError):
            connection.read_response()


def test_what_is_not_resp_is_passed_on_and_not_counted():
    """TLS, say: every byte value, first from the client."""
    noise = bytes(range(22, 256)) * 400
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        FaultProxy(listener.getsockname()[1]) as proxy,
        raw(proxy) as client,
        listener.accept()[0] as server,
    ):
        for one, other in ((client, server), (server, client)):
            one.sendall(noise)
            with other.makefile("rb") as stream:
                assert stream.read(len(noise)) == noise
        assert proxy.commands == 0


def test_a_drip_comes_byte_by_byte(client, proxy):
    client.set("a", "x" * 20)
    proxy.drip(0.005)
    start = time.monotonic()
    assert client.get("a") == b"x" * 20
    assert time.monotonic() - start >= 0.005 * 40
    proxy.drip()
    assert client.get("a") == b"x" * 20
    proxy.drip(1000)
    threading.Timer(0.2, proxy.heal).start()
    assert client.get("a") == b"x" * 20


def test_faults_act_on_async_clients_too(proxy, bare_redis):
    async def increase() -> int:
        async with redis.asyncio.Redis.from_url(proxy.url, protocol=2) as client:
            with pytest.raises(redis.ConnectionError):
                await client.incr("a")
            return int(await client.incr("a"))

    proxy.cut_reply()
    assert asyncio.run(increase()) == 2


def test_without_a_server_connections_are_reset():
    with RedisServer() as server, FaultProxy(server.port) as proxy:
        server.kill()
        with redis.Redis.from_url(proxy.url, protocol=2) as client, pytest.raises(redis.ConnectionError):
            client.ping()
        server.restart()
        assert client.ping()
        client.close()


def test_nothing_is_left_behind(redis_server):
    threads = threading.active_count()
    with FaultProxy(redis_server.port) as proxy, raw(proxy) as connection:
        connection.sendall(b"PING\r\n")
        connection.recv(100)
        proxy.black_hole()
        proxy.stop()
        proxy.stop()
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    assert threading.active_count() == threads
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", proxy.port))


def close(proxy: FaultProxy, how: str) -> None:
    """Let the loop be busy, so that whoever has connected is accepted together with the order."""
    proxy._loop.call_soon_threadsafe(time.sleep, 0.1)
    connections = [raw(proxy) for _ in range(3)]
    getattr(proxy, how)()
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("how", ["stop", "refuse"])
def test_whoever_is_accepted_as_the_door_closes_is_not_left_open(redis_server, how):
    with FaultProxy(redis_server.port) as proxy:
        close(proxy, how)
    gc.collect()


def test_orders_to_a_proxy_that_is_not_started_are_errors():
    with pytest.raises(ServerError, match="not started"):
        FaultProxy(1).reset()


def test_many_clients_at_once(client, proxy):
    """Thirty threads share it; each reads its own writes."""

    def work(number: int) -> None:
        for turn in range(20):
            client.set(f"key-{number}", turn)
            assert client.get(f"key-{number}") == str(turn).encode()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert proxy.commands == 30 * 20 * 2
