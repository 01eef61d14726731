import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings

from django_redis_patterns.testing.servers import RedisServer

#: A server about which there is nothing to say.
WELL = ("--maxmemory", "100mb", "--appendonly", "yes")


class Doctor:
    """Runs the command on connections of the test's own."""

    def __call__(self, *args: str, out: Any = None, **connections: Any) -> tuple[int, str]:
        """Return the exit code and what was printed."""
        out, code = out or io.StringIO(), 0
        with override_settings(REDIS_PATTERNS={"CONNECTIONS": connections}):
            try:
                call_command("redis", "doctor", *args, stdout=out)
            except SystemExit as end:
                code = int(end.code or 0)
        return code, "" if out.closed or not hasattr(out, "getvalue") else out.getvalue()

    def document(self, *args: str, **connections: Any) -> dict[str, Any]:
        """Return the document, whose exit code is right."""
        code, text = self("--json", *args, **connections)
        document: dict[str, Any] = json.loads(text)
        assert code == (1 if document["errors"] else 0)
        return document


Found = dict[str, str]


def levels(findings: list[dict[str, Any]]) -> Found:
    """Return the level of each topic: the worst, when there are several."""
    order = ["ok", "unknown", "warning", "error"]
    found: Found = {}
    for one in findings:
        found[one["topic"]] = max(one["level"], found.get(one["topic"], "ok"), key=order.index)
    return found


def of_room(document: dict[str, Any], room: str) -> list[dict[str, Any]]:
    (found,) = [one["findings"] for one in document["rooms"] if one["room"] == room]
    return list(found)


@pytest.fixture
def doctor() -> Doctor:
    return Doctor()


@pytest.fixture
def server_with() -> Iterator[Callable[..., RedisServer]]:
    """Starts servers with options."""
    started: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        started.append(RedisServer(options=options).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()
