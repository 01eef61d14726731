import asyncio
import threading

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_redis_patterns.core import trace
from django_redis_patterns.core.keys import key
from django_redis_patterns.core.operations import batch
from django_redis_patterns.testing.fixtures import Face
from tests.core.examples import Shelf

pytestmark = pytest.mark.permanent_keys("*")
shelf = Shelf()


def test_values_are_masked_and_keys_are_shown(face: Face) -> None:
    """A log tells which keys were used and never what was stored."""
    name = key("room", "tag")
    with trace.record() as log:
        face(shelf.put, name, "my secret text")
    assert [told.command for told in log.commands] == [f"SET {name} ‹14 B›"]
    assert log.commands[0].ms > 0


@given(value=st.text("abcdefghijklmnopqrstuvwxyzé:{} \n", min_size=4))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_is_shown(value: str) -> None:
    """Whatever is stored, its text is not in the log."""
    masked = trace.masked(("SET", "redis_patterns:room:{x}", value))
    assert masked == f"SET redis_patterns:room:{{x}} ‹{len(value)} B›"


@pytest.mark.parametrize("value", ["SECRET", "HUNTER TWO", "ABC_DEF"])
def test_values_in_capitals_are_masked_too(value: str) -> None:
    """A value is not shown because it looks like an option."""
    masked = trace.masked(("SET", "redis_patterns:room:{x}", value))
    assert masked == f"SET redis_patterns:room:{{x}} ‹{len(value)} B›"


def test_options_and_small_numbers_are_shown() -> None:
    """Options of a command stay readable."""
    assert trace.masked(("SET", "redis_patterns:room:{x}", b"value", "EX", 60)).endswith("‹5 B› EX 60")


def test_reply_sizes_and_trips(face: Face) -> None:
    """Each command tells the size of its reply; a trip counts once."""
    shelf.put("a", "12345")
    with trace.record() as log:
        face(shelf.get, "a")
        face(shelf.get, "a")
    assert [told.reply_size for told in log.commands] == [5, 5]
    assert log.trips == 2


def test_nothing_is_recorded_outside() -> None:
    """A log hears only what was sent from its own context."""
    with trace.record() as log:
        thread = threading.Thread(target=shelf.put, args=("a", "b"))
        thread.start()
        thread.join()
    shelf.put("a", "b")
    assert log.trips == 0


def test_tasks_inherit_the_log() -> None:
    """Tasks started inside are heard."""

    async def main() -> None:
        await asyncio.gather(shelf.aput("a", "1"), shelf.aput("b", "2"))

    with trace.record() as log:
        asyncio.run(main())
    assert log.trips == 2


def test_failed_commands_are_recorded() -> None:
    """A command that Redis refuses is told as well."""
    shelf.put("a", "text")
    with trace.record() as log, batch() as b:
        b(shelf.forgiving, "a")
    assert len(log.commands) == 1


def test_counters_add_up() -> None:
    """Counters are kept per process and handed out as a copy."""
    before = trace.counters().get("test.counter", 0)
    trace.count("test.counter")
    trace.count("test.counter", by=2)
    told = trace.counters()
    told["test.counter"] = 0
    assert trace.counters()["test.counter"] == before + 3
