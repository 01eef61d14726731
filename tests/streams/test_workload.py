"""What the runtime is handed, and the whole of it at work in processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import override_settings

from django_redis_patterns.checks.ground import check_shared_database
from django_redis_patterns.checks.streams import check_consumers, check_growth
from django_redis_patterns.streams import Stream
from django_redis_patterns.streams.workload import workload
from tests.core.worker.conftest import below, until

from .children import Child, ids

pytestmark = pytest.mark.permanent_keys("redis_patterns:streams:*")

Declare = Callable[..., Any]
ROOT = Path(__file__).parents[2]


def test_it_is_what_was_asked_for(declare: Declare, orders: Stream) -> None:
    """All handlers, those of some streams, or of one group."""
    Stream("others").consumer(group="mailers")(lambda event: None)
    declare()
    declare(group="ledger", batch=10, ordered_by="key")
    assert [feed.name for feed in workload().feeds("me")] == ["orders/ledger", "orders/mailers", "others/mailers"]
    assert [feed.name for feed in workload(["others"]).feeds("me")] == ["others/mailers"]
    assert [feed.name for feed in workload(group="ledger").feeds("me")] == ["orders/ledger"]
    assert workload(["orders"]).banner[0].endswith("8 at once, batches of 10, ordered by key")
    assert workload().lease == 15


def test_leases_are_of_all_streams(declare: Declare, orders: Stream) -> None:
    """Whoever is released is forgotten, and what it had is due."""
    Stream("others").consumer(group="mailers", start="beginning")(lambda event: None)
    dead = Child(declare())
    id = orders.append(1)
    dead.take()
    work = workload()
    assert work.hold([dead.name, "another"], 60) == []
    assert list(work.known()) == sorted([dead.name, "another"])
    dead.lapse()
    assert work.hold([dead.name], 60) == [dead.name]
    work.release([dead.name])
    assert list(work.known()) == ["another"]
    assert ids(Child(dead.consumer).take(takes_over=False)) == [id]


def test_a_handler_on_no_connection_is_told() -> None:
    Stream("orders", connection="nowhere", retention=1).consumer(group="mailers")(lambda event: None)
    (found,) = check_consumers()
    assert found.id == "redis_patterns.E601"
    assert "which is not there" in found.msg


def test_a_log_that_grows_for_ever_is_told(declare: Declare) -> None:
    """Unless the settings have a retention."""
    declare()
    (found,) = check_growth()
    assert found.id == "redis_patterns.W601"
    with override_settings(REDIS_PATTERNS={**settings.REDIS_PATTERNS, "STREAMS": {"RETENTION": 60}}):
        assert check_growth() == []


def test_a_cache_that_would_wipe_events_is_told(declare: Declare) -> None:
    declare()
    url = "redis://h:1/0"
    cache = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url}}
    shared = {"CACHES": cache, "REDIS_PATTERNS": {"CONNECTIONS": {"default": url}}}
    with override_settings(**shared, SESSION_ENGINE="x", TASKS={}):
        (found,) = check_shared_database()
    assert "would lose what nobody has handled yet" in found.msg


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "diary"


@pytest.fixture
def consuming(diary: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that consumes `tests.streams.program`, with a lease of a second."""
    diary.touch()
    connection = json.dumps(settings.REDIS_PATTERNS["CONNECTIONS"]["default"])
    environment = {**os.environ, "DIARY": str(diary), "TEST_REDIS_CONNECTION": connection}
    words = [sys.executable, "-m", "tests.streams.program", "redis", "consume", "--processes", "2"]
    with subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as program:
        yield program
        for process in [*below(program.pid)]:
            process.kill()
        program.kill()


def test_events_survive_the_death_of_a_child(
    consuming: subprocess.Popen[bytes], diary: Path, bare_redis: redis.Redis
) -> None:
    """By kill -9, in the middle of its work: each is handled, those of a key in order; and a stop leaves nothing."""
    works = Stream("works")
    sent = [works.append({"key": number % 3, "number": number}) for number in range(60)]
    until(lambda: len(diary.read_text().splitlines()) > 10)
    below(consuming.pid)[0].kill()
    until(lambda: {line.split()[0] for line in diary.read_text().splitlines()} >= set(sent))
    for key in range(3):
        mine = [line.split()[0] for line in diary.read_text().splitlines() if line.split()[1] == str(key)]
        assert list(dict.fromkeys(mine)) == sent[key::3]
    until(lambda: not works.lag("ordered").pending)
    consuming.send_signal(signal.SIGTERM)
    assert consuming.wait(30) == 0
    assert [consumer.pending for consumer in works.lag("ordered").consumers] == []
    assert works.dead("ordered").count() == 0
    assert bare_redis.zcard(works.keys.live) == 0
