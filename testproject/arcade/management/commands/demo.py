"""``manage.py demo``: the whole arcade by one command."""

import os
import signal
import socket
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import uvicorn
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.test.utils import override_settings

from arcade import bots, hall
from arcade.crew import crew
from arcade.herd import herd
from arcade.models import Play
from arcade.shift import shift
from django_redis_patterns.caching import invalidate_tags
from django_redis_patterns.testing.servers import RedisServer, ServerError

PLAYER, PASSWORD = "ada", "analytical-engine"


class Command(BaseCommand):
    """Migrate, make players and their plays, find or start a Redis, and serve until Ctrl-C.

    Leaves nothing running: a Redis that it started ends with it. A Redis named by ``REDIS_URL`` is used and left alone.
    """

    help = "Run Redis Arcade with all that it needs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", default=8000, type=int, help="0 takes any free port (default: %(default)s)")

        parser.add_argument(
            "--bots",
            default=20,
            type=float,
            help="seconds between their games, 0: none (default: %(default)s)",
        )
        parser.add_argument(
            "--machines",
            default=2,
            type=int,
            help="how many run the consumers of streams, 0: none (default: %(default)s)",
        )

        parser.add_argument("--no-worker", action="store_true", help="do not run the tasks of queues")

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` ends it as cleanly as Ctrl-C
        try:
            with listen(host, port) as listener:
                call_command("migrate", verbosity=0, interactive=False)
                player = make_player()
                bots.fill()
                with redis() as origin:
                    # A Redis that was just started knows nothing; one that stayed may have missed something.
                    Play.leaderboard.rebuild()
                    invalidate_tags(hall.TAG)
                    self._greet(listener, origin, player)
                    machines = crew.working(options["machines"]), shift.working(not options["no_worker"])
                    with machines[0], machines[1], bots.playing(options["bots"]), closing(herd):
                        serve(listener)
        except ServerError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stdout.write("\n  Game over. Thanks for playing.")

    def _greet(self, listener: socket.socket, origin: str, player: str) -> None:
        host, port = listener.getsockname()[:2]
        address = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
        lines = {"open": self.style.SUCCESS(address), "player": player, "redis": origin, "stop": "Ctrl-C"}
        self.stdout.write(self.style.MIGRATE_HEADING("\n  REDIS ARCADE\n"))
        for name, value in lines.items():
            self.stdout.write(f"  {name:<8}{value}")
        self.stdout.flush()  # whoever reads through a pipe wants the address now


def make_player() -> str:
    """Make the demo's player when missing, and say how to log in."""
    if User.objects.filter(username=PLAYER).exists():
        return f"{PLAYER} (still here from last time; the first password was {PASSWORD})"
    User.objects.create_user(PLAYER, password=PASSWORD)
    return f"{PLAYER}, password {PASSWORD}"


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """Open the port first of all: when it is taken, nothing has been started yet."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise CommandError(f"Cannot listen on {host} port {port} ({error.strerror}). Try --port 0.") from error
    with listener:
        yield listener


@contextmanager
def redis() -> Iterator[str]:
    """Use the Redis of ``REDIS_URL``, else run one while the block lasts. Yields where it comes from."""
    if "REDIS_URL" in os.environ:
        yield "the one in REDIS_URL"
        return
    with RedisServer() as server:
        connections = {"default": {"URL": server.url}}
        # The server exists only now, so the settings, which are read already, must be told.
        with override_settings(REDIS_PATTERNS=settings.REDIS_PATTERNS | {"CONNECTIONS": connections}):
            yield f"started on port {server.port}, stops with the arcade"


def serve(listener: socket.socket) -> None:
    """Serve HTTP and websockets until a signal. Raises KeyboardInterrupt then."""
    config = uvicorn.Config(
        "testproject.asgi:application",
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=2,
        ws_max_size=64 * 1024,
    )
    uvicorn.Server(config).run(sockets=[listener])
