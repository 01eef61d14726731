"""The judge of the torture can find against a lock: it does, of locks that are wrong on purpose."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from django_redis_patterns.core.connections import client
from tests.locks import holders
from tests.locks.torture import Field, Stay, Verdict, judge, keys_left, read
from tests.vault.models import Account


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    with Field(tmp_path) as field:
        yield field


def set_nx(times: int, ttl_ms: int, hold: float) -> dict[str, int]:
    """Hold a lock as many write it: SET NX, no owner, no renewal, no fence that the database compares."""
    for _ in range(times):
        arrival = time.time() * 1e6
        while not client().set("naive", "1", nx=True, px=ttl_ms or None):
            time.sleep(0.001)
        fence = client().incr("naive:fence")
        looked = time.monotonic()
        account = Account.objects.get(pk=1)
        time.sleep(random.uniform(0, hold))
        account.balance, account.fence = account.balance + 1, fence
        account.save()
        for moment in (looked, time.monotonic()):
            os.write(holders.diary, f"x {fence} {arrival} {moment}\n".encode())
        client().delete("naive")
    return {"done": times}


@pytest.mark.permanent_keys("naive*")
def test_a_lock_that_runs_out_and_frees_whoever_holds_it(field: Field) -> None:
    """Two are in at once, and one writes over the other."""
    field.several(4)
    assert field.everybody(set_nx, 15, 5, 0.02) == {"done": 60}
    verdict = field.judge()
    assert verdict.overlaps > 0
    assert verdict.stale_writes > 0
    assert verdict.lost_updates > 0
    assert not verdict.is_safe


@pytest.mark.permanent_keys("naive*")
def test_a_lock_that_outlives_its_holder(field: Field, bare_redis: redis.Redis) -> None:
    """Its key is left, and who waits never comes to an end."""
    dies, waits = field.several(2)
    dies.tell(set_nx, 1, 0, 30)
    while not bare_redis.exists("naive"):
        time.sleep(0.005)
    dies.kill()
    waits.tell(set_nx, 1, 0, 0)
    with pytest.raises(AssertionError, match="never"):
        waits.hear(0.5)
    assert "naive" in keys_left(bare_redis)


@pytest.mark.parametrize(
    ("diary", "verdict"),
    [
        ("1 1 0;1 1 2;2 2 3;2 2 4", Verdict()),
        ("1 1 0;1 1 2;2 2 1;2 2 4", Verdict(overlaps=1)),
        ("2 1 0;2 1 2;1 2 3;1 2 4", Verdict(falling_fences=1, inversions=1)),
        ("2 2 0;2 2 2;2 3 3;2 3 4", Verdict(falling_fences=1, inversions=1)),
        ("1 2 0;1 2 2;2 1 3;2 1 4", Verdict(inversions=1)),
        ("1 1 0;1 1 9;2 2 3;3 3 5", Verdict(overlaps=2)),
    ],
)
def test_what_is_wrong_with_a_diary(diary: str, verdict: Verdict) -> None:
    """Each fault is counted by itself; lines come in any order."""
    lines = [f"x {line}" for line in diary.split(";")] + ["y 0 9 0", "y 0 9 9"]
    assert judge(read("\n".join(lines))) == judge(read("\n".join(reversed(lines)))) == verdict


@pytest.mark.parametrize(
    ("history", "verdict"),
    [
        ([(1, 1), (1, 2), (2, 3)], Verdict()),
        ([(2, 1), (1, 2), (3, 3)], Verdict(stale_writes=1)),
        ([(1, 1), (2, 1), (3, 2)], Verdict(lost_updates=1)),
    ],
)
def test_what_is_wrong_with_a_history(history: Any, verdict: Verdict) -> None:
    """A write by an older fence, and a write that lost another's."""
    assert judge([Stay(1, 1, 0, 1)], history) == verdict
    assert verdict.is_safe == (verdict == Verdict())
