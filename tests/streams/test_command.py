"""``manage.py redis streams`` and ``manage.py redis consume``."""

import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command

from django_redis_patterns.streams import Stream

from .children import Child

pytestmark = pytest.mark.permanent_keys("redis_patterns:streams:*")

Declare = Callable[..., Any]


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("redis", "streams", *args, stdout=out)
    return out.getvalue()


@pytest.fixture
def child(declare: Declare, orders: Stream) -> Child:
    """One that has failed with the first of five events, and has the second in hand."""
    child = Child(declare(lambda event: 1 / 0, max_attempts=1))
    orders.append_many(range(5))
    child.step(child.run(*child.take()))
    child.take()
    return child


def test_list_tells_of_every_stream(child: Child) -> None:
    """And of its groups, for people and for programs."""
    lines = run("list").splitlines()
    assert re.fullmatch(r" +5  orders", next(line for line in lines if line.endswith("orders")))
    assert any(re.fullmatch(r" +mailers: 3 behind \(0 s\), 1 pending, 1 dead", line) for line in lines)
    (told,) = [row for row in json.loads(run("list", "--json")) if row["stream"] == "orders"]
    assert (told["length"], told["groups"][0]["group"], told["groups"][0]["events"]) == (5, "mailers", 3)


def test_lag_tells_of_consumers(child: Child) -> None:
    """Of one group, or of all."""
    told = run("lag", "orders").splitlines()
    assert told[0].startswith("mailers: 3 behind")
    assert re.fullmatch(rf"    {child.name}  1 in hand, oldest 0 s, lease \d+ s", told[1])
    child.lapse()
    assert run("lag", "orders", "mailers").splitlines()[1].endswith("dead")
    (document,) = json.loads(run("lag", "orders", "mailers", "--json"))
    assert document["consumers"][0]["name"] == child.name
    with pytest.raises(CommandError, match="has no group 'nobody'"):
        run("lag", "orders", "nobody")


def test_tail_shows_the_newest(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    """And then what comes, until it is stopped."""
    assert [line.split()[-1] for line in run("tail", "orders", "--once", "--count", "2").splitlines()] == ["3", "4"]
    documents = [json.loads(line) for line in run("tail", "orders", "--once", "--json").splitlines()]
    assert [one["data"] for one in documents] == [0, 1, 2, 3, 4]

    def tail(self: Stream, after: Any = None) -> Any:
        self.append("new")
        yield next(iter(self.read(since=after)[1:]))
        raise KeyboardInterrupt

    monkeypatch.setattr(Stream, "tail", tail)
    assert run("tail", "orders", "--count", "1").splitlines()[-1].endswith('"new"')


def test_pending_tells_who_has_what(child: Child, orders: Stream) -> None:
    """And what waits."""
    (line,) = run("pending", "orders", "mailers").splitlines()
    assert line.endswith(child.name)
    assert "delivered 1 times" in line
    orders.remove_consumer("mailers", child.name)
    assert "  due 2" in run("pending", "orders", "mailers")
    (document,) = json.loads(run("pending", "orders", "mailers", "--json"))
    assert (document["consumer"], document["deliveries"]) == (None, 1)
    with pytest.raises(CommandError, match="has no group 'nobody'"):
        run("pending", "orders", "nobody")


@pytest.mark.parametrize("since", ["1h", "2020-01-01 12:00", "0-1"])
def test_replay_sets_a_group_back(child: Child, orders: Stream, since: str) -> None:
    """To a place, a time, or so long ago."""
    assert run("replay", "orders", "mailers", "--since", since) == f"orders/mailers goes on from {since}.\n"
    assert orders.lag("mailers").events == 5
    with pytest.raises(CommandError, match="an id such as"):
        run("replay", "orders", "mailers", "--since", "yesterday")


def test_redrive_runs_dead_letters_again(child: Child, orders: Stream) -> None:
    """All, or some; and shows them."""
    shown = run("redrive", "orders", "mailers", "--show")
    assert "1 attempts  ZeroDivisionError: division by zero  0" in shown
    (document,) = json.loads(run("redrive", "orders", "mailers", "--show", "--json"))
    assert (document["data"], document["attempts"]) == (0, 1)
    assert json.loads(run("redrive", "orders", "mailers", document["id"], "--json")) == {"redriven": 1}
    assert run("redrive", "orders", "mailers") == "0 run again.\n"


def test_trim_drops_what_is_done(child: Child, bare_redis: redis.Redis) -> None:
    """Of an age, or of the stream's own retention."""
    assert run("trim", "orders", "--older-than", "1d") == "0 dropped.\n"
    bare_redis.xadd("redis_patterns:streams:{others}", {"d": "j1"}, "1-0")
    assert run("trim", "others", "--older-than", "90s", "--connection", "default") == "1 dropped.\n"
    for wrong, told in (["--older-than", "long"], "is no age"), ([], "has no retention"):
        with pytest.raises(CommandError, match=told):
            run("trim", "orders", *wrong)


def test_nothing_to_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_redis_patterns.management.streams.streams", list)
    assert run("list").startswith("No stream is declared")


def test_consume_wants_something_to_do(declare: Declare) -> None:
    """It says what there is."""
    with pytest.raises(CommandError, match=r"Nobody consumes everything. Handlers: none: declare one in events.py"):
        call_command("redis", "consume")
    declare()
    with pytest.raises(CommandError, match=r"Nobody consumes others. Handlers: orders/mailers"):
        call_command("redis", "consume", "others", "orders")
    with pytest.raises(CommandError, match=r"Nobody consumes nobody. Handlers: orders/mailers"):
        call_command("redis", "consume", "--group", "nobody")
