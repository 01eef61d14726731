"""What the guide says is so."""

import ast
import inspect
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import django_redis_patterns.streams
from django_redis_patterns.core.connections import client
from django_redis_patterns.streams import Event, Stream
from django_redis_patterns.streams.consumer import Consumer
from django_redis_patterns.streams.registry import consumers

from .children import Child

pytestmark = [pytest.mark.permanent_keys("redis_patterns:streams:*"), pytest.mark.django_db(transaction=True)]

GUIDE = (Path(django_redis_patterns.streams.__file__).parent / "README.md").read_text()
DECLARE, APPEND, READ, LOOK = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def site() -> dict[str, Any]:
    """A site whose `events.py` is that of the guide."""
    mailed: list[int] = []
    names: dict[str, Any] = {"mail": mailed.append, "mailed": mailed, "rows": [{"order_id": 8}], "name": "me"}
    exec(DECLARE, names)
    return names | {"datetime": datetime, "UTC": UTC, "Event": Event}


def test_events_are_appended_and_handled(site: dict[str, Any]) -> None:
    """By a handler that a test can call too."""
    (consumer,) = consumers()
    child = Child(consumer)
    child.work()
    exec(APPEND, site)
    child.step(child.run(*child.take(10)))
    assert sorted(site["mailed"]) == [7, 7, 8]
    site["send_receipt"](Event("1-0", {"order_id": 7}))
    assert site["mailed"][-1] == 7


def test_a_log_is_read(site: dict[str, Any]) -> None:
    """And followed, by a coroutine that waits for ever."""
    place = site["orders"].append({"order_id": 7})
    exec(READ, site)
    assert site["entry"].id == place
    assert inspect.iscoroutinefunction(site["follow"])


def test_a_group_is_looked_after(site: dict[str, Any]) -> None:
    """Its dead letter, an event without a number of an order, is told and run again."""
    (consumer,) = consumers()
    Child(consumer).work()
    site["orders"].append({"type": "paid"})
    child = Child(consumer)
    while not site["orders"].lag("mailers").dead:
        _hasten(child.stream, consumer)
        child.work()
    exec(LOOK, site)
    assert site["letter"].reason == "KeyError: 'order_id'"
    assert site["orders"].dead("mailers").count() == 0


def _hasten(stream: Stream, consumer: Consumer) -> None:
    """Let what is put off be due."""
    due = stream.keys.of(consumer.group).due
    for id in client().zrange(due, 0, -1):
        client().zadd(due, {id: 1})


def test_the_options_are_those_that_there_are() -> None:
    """With their defaults."""
    told = re.findall(r"^\| `(\w+)` \| (?:`(.*?)`|(\d+))? ?\|", GUIDE, re.MULTILINE)
    defaults = {name: code or number for name, code, number in told}
    real = inspect.signature(Stream.consumer).parameters
    assert set(defaults) == set(real) - {"self"}
    for name, default in defaults.items():
        if name not in ("group", "backoff"):
            assert ast.literal_eval(default) == real[name].default
