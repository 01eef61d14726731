"""The judge of the torture can find against a stream, and reads the server's journal."""

from collections import Counter
from typing import Any

import pytest

from django_redis_patterns.testing.servers import RedisServer

from .torture import Sent, Verdict, acknowledged, judge
from .tortured import GROUPS

SENT = [Sent("1-0", 1, key=1), Sent("2-0", 2, key=1), Sent("3-0", 3, key=2, is_poison=True)]
RUNS = ["began 1", "ended 1", "began 2", "ended 2", "began 3"]
ACKS = {(group, event.id): 1 for group in GROUPS for event in SENT}
DEAD = {group: ["3-0"] for group in GROUPS}


def diary(runs: list[str], group: str) -> list[str]:
    """Return *runs* as *group* writes them; the others do all well."""
    lines = [(one, what) for one in GROUPS for what in (runs if one == group else RUNS)]
    return [f"{what.split()[0]} {one} {what.split()[1]}" for one, what in lines]


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    ("runs", "verdict"),
    [
        (RUNS, Verdict()),
        (["began 1", *RUNS], Verdict()),  # a killed one
        ([*RUNS, "began 1", "ended 1"], Verdict()),  # one that did not know that it had been replaced
        (RUNS[:3], Verdict(lost=1)),
        (RUNS[2:], Verdict(lost=1, out_of_order=1)),
        (["began 1", "began 2", "ended 1", "ended 2"], Verdict(out_of_order=1)),
        ([*RUNS[2:], *RUNS[:2]], Verdict(out_of_order=1)),
    ],
)
def test_what_is_wrong_with_a_diary(runs: list[str], verdict: Verdict, group: str) -> None:
    """Order is only of the group that has one."""
    expected = verdict if group == "ordered" else Verdict(lost=verdict.lost)
    assert judge(SENT, diary(runs, group), ACKS, DEAD) == expected


@pytest.mark.parametrize(
    ("acks", "dead", "verdict"),
    [
        ({("each", "1-0"): 2}, {}, Verdict(acknowledged_again=1)),
        ({("each", "1-0"): 0}, {}, Verdict(acknowledged_never=1)),
        ({}, {"each": ["3-0", "1-0"]}, Verdict(dead_alive=1)),
        ({}, {"each": []}, Verdict(poison_alive=1)),
    ],
)
def test_what_is_wrong_with_the_rest(acks: Any, dead: Any, verdict: Verdict) -> None:
    assert judge(SENT, diary(RUNS, "each"), ACKS | acks, DEAD | dead) == verdict


def test_the_journal_tells_each_acknowledgement() -> None:
    """Of scripts, too; and not those that had no effect."""
    with RedisServer(options=["--appendonly", "yes", "--appendfsync", "always"]) as server, server.client() as client:
        ids = [client.xadd("log", {"d": number}).decode() for number in range(3)]
        client.xgroup_create("log", "each", "0")
        client.xreadgroup("each", "me", {"log": ">"})
        client.xack("log", "each", *ids[:2])
        client.eval("redis.call('XACK', KEYS[1], 'each', ARGV[1])", 1, "log", ids[2])
        client.xack("log", "each", ids[0])
        assert acknowledged(server) == Counter({("each", id): 1 for id in ids})
