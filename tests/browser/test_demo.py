"""The demo command, without a browser."""

import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from testproject.database import postgresql

from .arcade import DEMO, arcade, environment


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


def test_the_second_demo_starts_with_the_data_of_the_first(tmp_path: Path) -> None:
    with arcade(tmp_path) as demo:
        assert "ada, password" in demo.banner
    with arcade(tmp_path) as demo:
        assert "still here" in demo.banner


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
