from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, copy_context

import pytest
import redis
from django.db import transaction
from django.test import override_settings

from django_redis_patterns.core import commit, trace
from django_redis_patterns.core.commit import after_commit, after_commit_of, after_commit_together, leaving
from django_redis_patterns.testing.servers import RedisServer, free_port
from tests.core.examples import BUMP, Shelf

pytestmark = [pytest.mark.permanent_keys("*"), pytest.mark.django_db(transaction=True)]
shelf = Shelf()


class Undo(Exception):
    pass


@pytest.fixture
def bumps(bare_redis: redis.Redis) -> Callable[[], dict[str, int]]:
    """Those of the shelf: a thread of an earlier test may still have something to write."""

    def read() -> dict[str, int]:
        names = [name for name in bare_redis.scan_iter() if not name.startswith("redis_patterns:")]
        return {name: int(bare_redis.get(name) or 0) for name in names}

    return read


@pytest.fixture
def known_script(bare_redis: redis.Redis) -> None:
    bare_redis.script_load(BUMP.text)  # on a cluster, to every node
    shelf.bump("warm-up", 0)


def test_one_flush_per_commit(known_script: None, bumps: Callable[[], dict[str, int]]) -> None:
    """All changes of a commit travel in one trip, after it."""
    with trace.record() as log:
        with transaction.atomic():
            for name in "abc":
                after_commit(shelf.bump, name)
            assert log.trips == 0
        assert log.trips == 1
    assert bumps() == {"a": 1, "b": 1, "c": 1, "warm-up": 0}


def test_one_flush_per_alias(redis_server: RedisServer) -> None:
    """Each connection gets one trip."""
    two = {"default": redis_server.url, "other": redis_server.url.replace("/0", "/1")}
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": two}), trace.record() as log, transaction.atomic():
        for on in (shelf, Shelf("other")):
            after_commit(on.put, "a", "1")
            after_commit(on.put, "b", "1")
    assert log.trips == 2


def test_nested_savepoints_are_one_flush(known_script: None, bumps: Callable[[], dict[str, int]]) -> None:
    """Savepoints that are kept add to the flush of the whole transaction."""
    with trace.record() as log, transaction.atomic():
        after_commit(shelf.bump, "a")
        with transaction.atomic():
            after_commit(shelf.bump, "b")
            with transaction.atomic():
                after_commit(shelf.bump, "c")
        after_commit(shelf.bump, "d")
    assert log.trips == 1
    assert bumps() == {"a": 1, "b": 1, "c": 1, "d": 1, "warm-up": 0}


@pytest.mark.parametrize("first_outside", [True, False])
def test_a_rolled_back_savepoint_is_dropped(
    first_outside: bool, known_script: None, bumps: Callable[[], dict[str, int]]
) -> None:
    """What was asked for in a savepoint that is undone is not sent; the rest still is, in one trip."""
    with trace.record() as log, transaction.atomic():
        if first_outside:
            after_commit(shelf.bump, "before")
        with suppress(Undo), transaction.atomic():
            after_commit(shelf.bump, "undone")
            with transaction.atomic():
                after_commit(shelf.bump, "undone too")
            raise Undo
        after_commit(shelf.bump, "after")
    assert log.trips == 1
    assert bumps() == ({"before": 1} if first_outside else {}) | {"after": 1, "warm-up": 0}


def test_what_came_first_is_sent_though_nothing_follows_the_rollback(
    known_script: None, bumps: Callable[[], dict[str, int]]
) -> None:
    """The last flush was asked for in the savepoint that is undone, and must not go with it."""
    with transaction.atomic():
        after_commit(shelf.bump, "before")
        with suppress(Undo), transaction.atomic():
            after_commit(shelf.bump, "undone")
            raise Undo
    assert bumps() == {"before": 1, "warm-up": 0}


def test_an_inner_rollback_after_a_kept_savepoint(known_script: None, bumps: Callable[[], dict[str, int]]) -> None:
    """A savepoint that was kept first and undone with its parent takes nothing of others along."""
    with transaction.atomic():
        with suppress(Undo), transaction.atomic():
            with transaction.atomic():
                after_commit(shelf.bump, "inner")
            after_commit(shelf.bump, "middle")
            raise Undo
        with transaction.atomic():
            after_commit(shelf.bump, "kept")
    assert bumps() == {"kept": 1, "warm-up": 0}


def test_rollback_sends_nothing() -> None:
    """A transaction that is undone tells Redis nothing."""
    with trace.record() as log, suppress(Undo), transaction.atomic():
        after_commit(shelf.bump, "a")
        raise Undo
    assert log.trips == 0


def test_outside_of_a_transaction(known_script: None, bumps: Callable[[], dict[str, int]]) -> None:
    """Without a transaction the change is sent at once."""
    after_commit(shelf.bump, "a", by=2)
    assert bumps() == {"a": 2, "warm-up": 0}


def test_other_hooks_in_between(known_script: None, bumps: Callable[[], dict[str, int]]) -> None:
    """Hooks of others, between ours, run and do not split the flush."""
    ran: list[str] = []
    with trace.record() as log, transaction.atomic():
        after_commit(shelf.bump, "a")
        transaction.on_commit(lambda: ran.append("one"))
        with transaction.atomic():
            after_commit(shelf.bump, "b")
            transaction.on_commit(lambda: ran.append("two"))
        after_commit(shelf.bump, "c")
    assert ran == ["one", "two"]
    assert log.trips == 1
    assert bumps() == {"a": 1, "b": 1, "c": 1, "warm-up": 0}


def test_two_transactions_are_two_flushes(known_script: None, bumps: Callable[[], dict[str, int]]) -> None:
    """Nothing of one commit is left for the next, nor for the one after a rollback."""
    with trace.record() as log:
        for undone in (False, True, False):
            with suppress(Undo), transaction.atomic():
                after_commit(shelf.bump, "a")
                if undone:
                    raise Undo
    assert log.trips == 2
    assert bumps() == {"a": 2, "warm-up": 0}


@pytest.fixture
def refused() -> Iterator[None]:
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": nobody}}):
        yield


@pytest.mark.parametrize("inside", [True, False])
def test_a_failing_flush_does_not_raise(inside: bool, refused: None, caplog: pytest.LogCaptureFixture) -> None:
    """The database has committed: Redis being away is one log line and one count."""
    before = trace.counters().get("commit.failed", 0)
    if inside:
        with transaction.atomic():
            after_commit(shelf.bump, "a")
            after_commit(shelf.bump, "b")
    else:
        after_commit(shelf.bump, "a")
    assert trace.counters()["commit.failed"] == before + 1
    assert len(caplog.records) == 1
    assert "did not reach Redis" in caplog.text


def test_one_failure_does_not_stop_the_others(bumps: Callable[[], dict[str, int]]) -> None:
    """Operations of a flush are independent of each other."""
    with transaction.atomic():
        after_commit(shelf.fail, "mine")
        after_commit(shelf.bump, "a")
    assert bumps() == {"a": 1}


def test_equal_calls_are_sent_once(known_script: None, bumps: Callable[[], dict[str, int]]) -> None:
    """Saying the same twice in one transaction is saying it once; other arguments are another call."""
    with transaction.atomic():
        for _ in range(3):
            after_commit(shelf.bump, "a", 1)
        after_commit(shelf.bump, "a", 10)
    assert bumps() == {"a": 11, "warm-up": 0}


def test_of_a_named_database(known_script: None, bumps: Callable[[], dict[str, int]]) -> None:
    """A change can wait for the commit of a database other than the default one."""
    with transaction.atomic(using="default"):
        after_commit_of("default", shelf.bump, "a")
        assert bumps() == {"warm-up": 0}
    assert bumps() == {"a": 1, "warm-up": 0}


def test_items_of_one_commit_go_together(bare_redis: redis.Redis) -> None:
    """One call of the operation takes the items of all savepoints that were kept, each once."""
    with transaction.atomic():
        after_commit_together("default", shelf.note, "a", "b")
        with suppress(Undo), transaction.atomic():
            after_commit_together("default", shelf.note, "lost")
            raise Undo
        with transaction.atomic():
            after_commit_together("default", shelf.note, "b", "c")
    assert bare_redis.lrange("notes", 0, -1) == ["a b c"]


def test_items_go_at_once_outside_of_a_transaction(bare_redis: redis.Redis) -> None:
    """Autocommit is a commit per call."""
    after_commit_together("default", shelf.note, "a")
    after_commit_together("default", shelf.note, "a")
    assert bare_redis.lrange("notes", 0, -1) == ["a", "a"]


def test_what_a_flush_causes_is_one_more_flush(known_script: None, bumps: Callable[[], dict[str, int]]) -> None:
    """Receivers of signals that an operation sends are no new trip each."""

    def receiver() -> str:
        for name in "abc":
            after_commit(shelf.bump, name)
        return ""

    with trace.record() as log, transaction.atomic():
        after_commit(shelf.cached, "computed", receiver)
    assert log.trips == 3  # look, store, and one for the three
    assert bumps() == {"a": 1, "b": 1, "c": 1, "computed": 0, "warm-up": 0}
    after_commit(shelf.bump, "a")
    assert bumps()["a"] == 2  # and then all is as before


def test_what_outlives_a_flush_is_sent_at_once(bumps: Callable[[], dict[str, int]]) -> None:
    """A task that a receiver started has the flush's context, and no flush to join any more."""
    contexts: list[Context] = []

    def receiver() -> str:
        contexts.append(copy_context())
        return ""

    after_commit(shelf.cached, "computed", receiver)
    contexts[0].run(after_commit, shelf.bump, "late")
    assert bumps()["late"] == 1


def test_a_transaction_by_hand_is_refused(bare_redis: redis.Redis) -> None:
    """Nobody would tell of its rollback: Django's own hook is refused there too."""
    transaction.set_autocommit(False)
    try:
        with pytest.raises(transaction.TransactionManagementError, match=r"use transaction\.atomic\(\)"):
            after_commit(shelf.bump, "a")
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert not bare_redis.keys()


def test_who_has_left_something() -> None:
    """A connection does as long as its transaction is open and nothing was rolled back."""
    assert leaving() == []
    with transaction.atomic():
        with suppress(Undo), transaction.atomic():
            after_commit(shelf.bump, "a")
            assert [one.alias for one in leaving()] == ["default"]
            raise Undo
        assert leaving() == []
        after_commit(shelf.bump, "a")
        assert [one.alias for one in leaving()] == ["default"]
        with ThreadPoolExecutor(1) as pool:  # has connections of its own
            assert pool.submit(leaving).result() == []
        assert [one.alias for one in leaving()] == ["default"]
    assert leaving() == []
    assert not commit._leaving  # so that nobody has to look
