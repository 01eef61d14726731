"""The demo command, without a browser."""

import json
import re
import socket
import subprocess
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from testproject.database import postgresql
from websockets.sync.client import connect
from websockets.typing import Origin

from .arcade import DEMO, Arcade, arcade, environment


def test_ctrl_c_ends_the_demo_cleanly_and_its_redis_with_it(tmp_path: Path) -> None:
    with arcade(tmp_path) as demo:
        with urllib.request.urlopen(f"{demo.url}/") as page:
            assert "Redis Arcade" in page.read().decode()
        port = demo.own_redis_port
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        assert demo.interrupt() == 0
        assert demo.errors.read_text() == ""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_static_files_arrive_whole_and_once(tmp_path: Path) -> None:
    with arcade(tmp_path) as demo, urllib.request.urlopen(f"{demo.url}/static/arcade/arcade.css") as css:
        assert css.headers["Content-Type"] == "text/css"
        assert len(css.read()) == int(css.headers["Content-Length"])


def test_open_websockets_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with arcade(tmp_path) as demo, ExitStack() as open_sockets:
        for path in ("/ws/notifications/", "/ws/chat/quick-draw/"):
            address = demo.url.replace("http", "ws") + path
            open_sockets.enter_context(connect(address, origin=Origin(demo.url), proxy=None))
        assert demo.interrupt() == 0
        assert demo.errors.read_text() == ""


def test_the_second_demo_starts_with_the_data_of_the_first(tmp_path: Path) -> None:
    """Its Redis is another and empty, so the boards come from SQL; the bots do not play the same games again."""
    with arcade(tmp_path) as demo:
        assert "ada, password" in demo.banner
        before = all_time(demo)
    with arcade(tmp_path) as demo:
        assert "still here" in demo.banner
        assert all_time(demo) == before
    assert len(before) == 10


def test_bots_play_on_and_open_pages_hear_of_it(tmp_path: Path) -> None:
    with arcade(tmp_path, bots=0.05) as demo:
        address = demo.url.replace("http", "ws") + "/ws/notifications/"
        with connect(address, origin=Origin(demo.url), proxy=None) as page:
            page.send('{"kind": "subscribe", "topic": "boards.quick-draw"}')
            assert json.loads(page.recv(timeout=10))["kind"] == "subscribed"
            move = json.loads(page.recv(timeout=30))
        assert demo.interrupt() == 0
        assert demo.errors.read_text() == ""
    assert move["type"] == "moved"
    assert move["data"].keys() == {"player", "name", "window", "points", "old", "new"}


def all_time(demo: Arcade) -> list[str]:
    """Return the names of the best, best first."""
    with urllib.request.urlopen(f"{demo.url}/leaderboards/") as page:
        board = page.read().decode().partition('id="all"')[2]
    return re.findall(r'class="name">\s*([\w-]+)', board)


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [*DEMO, "--port", str(taken.getsockname()[1])]
        ended = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "Try --port 0" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_database_url() -> None:
    found = postgresql("postgresql://ann:p%40ss@db.example:5433/arcade?sslmode=require")
    assert found == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "arcade",
        "USER": "ann",
        "PASSWORD": "p@ss",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require"},
    }


@pytest.mark.parametrize(
    "url", ["mysql://ann:secret@db/x", "postgresql://ann:secret@db", "postgres://ann:secret@db:x/y"]
)
def test_a_wrong_database_url_says_what_is_right_and_no_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="must look like postgresql://") as told:
        postgresql(url)
    assert "secret" not in str(told.value)


def test_the_panel_is_there_under_wsgi_too(tmp_path: Path) -> None:
    code = "from django.test import Client; print(Client(SERVER_NAME='localhost').get('/').content.decode())"
    command = [*DEMO[:-1], "shell", "-c", code]
    told = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, timeout=60)
    assert "What Redis was told" in told.stdout, told.stderr
    assert "<!--redis-told-->" not in told.stdout
