import asyncio
import inspect
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections
from django.test import override_settings

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import adisconnect
from django_redis_patterns.core.operations import IO, batch, both
from django_redis_patterns.testing.cluster import RedisCluster
from django_redis_patterns.testing.fixtures import Face
from django_redis_patterns.testing.servers import RedisServer
from tests.core.examples import BUMP, LoudShelf, Shelf, both_sides, echo

pytestmark = pytest.mark.permanent_keys("*")
shelf = Shelf()


@pytest.fixture
def two_aliases(redis_server: RedisServer) -> Iterator[None]:
    with_db = redis_server.url.replace("/0", "/1")
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": redis_server.url, "other": with_db}}):
        yield


@pytest.fixture
def orm(transactional_db: None, face: Face) -> Iterator[None]:
    yield
    if face.way == "async":
        face._runner.run(sync_to_async(connections.close_all)())


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as running:
        yield running


@pytest.fixture
def on_cluster(cluster: RedisCluster) -> Iterator[RedisCluster]:
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": {"CLUSTER": cluster.urls}}}):
        yield cluster
        for node in cluster.nodes[: cluster.masters]:
            with redis.Redis(port=node.port, protocol=2) as client:
                client.flushall()


def test_page_with_rows_from_sql(face: Face, orm: None, bare_redis: redis.Redis) -> None:
    """A body may fetch members from Redis and their rows from SQL in one operation."""
    users = [User.objects.create(username=name) for name in ("ann", "bob", "cid")]
    bare_redis.zadd("board", {str(user.pk): score for score, user in enumerate(users)})
    assert face(shelf.page, "board", 2) == ["cid", "bob"]


def test_miss_calls_a_plain_function(face: Face) -> None:
    """On a miss a `def` of the user's is called, once."""
    calls: list[int] = []

    def compute() -> str:
        calls.append(1)
        return "fresh"

    assert [face(shelf.cached, "k", compute) for _ in range(2)] == ["fresh", "fresh"]
    assert len(calls) == 1


def test_miss_calls_a_coroutine_function(face: Face) -> None:
    """On a miss an `async def` of the user's is awaited on a loop, also from the sync face."""

    async def compute() -> str:
        await asyncio.sleep(0)
        return "fresh"

    assert face(shelf.cached, "k", compute) == "fresh"


async def _told(io: IO, act: Any) -> Any:
    return await io.call(act)


told, atold = both(_told)


def test_an_exception_that_is_returned_is_not_raised(face: Face) -> None:
    """It is a value as any other."""
    error = LookupError("none")

    async def act() -> Exception:
        return error

    assert face(told, lambda: error) is face(told, act) is error


class Interrupted(BaseException):
    """As Ctrl-C, or the end of a task."""


async def _tidy(io: IO, act: Any) -> None:
    try:
        await io.call(act)
    except Interrupted:
        await io.redis.set("tidied", 1)
        raise


tidy, atidy = both(_tidy)


def test_an_interruption_of_the_users_function_goes_through_the_body(face: Face, bare_redis: redis.Redis) -> None:
    """Which may give back in Redis what it had taken for it."""

    def interrupted() -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        face(tidy, interrupted)
    assert bare_redis.get("tidied")


def test_an_error_of_the_users_function_reaches_the_caller(face: Face) -> None:
    """What the user's function raises is raised as it is."""

    def compute() -> str:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        face(shelf.cached, "k", compute)


def test_waiting_for_an_element(face: Face, bare_redis: redis.Redis) -> None:
    """A blocking command serves sync and async, and a batch refuses it with a TypeError."""
    bare_redis.rpush("list", "a")
    if face.way == "batch":
        with pytest.raises(TypeError, match="a batch cannot"):
            face(shelf.take, "list", 1)
        assert bare_redis.llen("list") == 1
    else:
        assert face(shelf.take, "list", 1) == "a"
        assert face(shelf.take, "list", 0.1) is None


@pytest.mark.parametrize("waiting", [(shelf.take, "list", 1), (shelf.nap, 0.01), (shelf.nap_inside,)])
def test_a_waiting_sync_face_refuses_to_block_a_loop(waiting: tuple[Any, ...]) -> None:
    """Under a running loop a sync face that waits raises and names the cure."""

    async def main() -> None:
        waiting[0](*waiting[1:])

    with pytest.raises(SynchronousOnlyOperation, match="async twin"):
        asyncio.run(main())


def test_sleeping(face: Face) -> None:
    """io.sleep serves sync and async, and a batch refuses it, inside of a gather too."""
    if face.way == "batch":
        with pytest.raises(TypeError, match="a batch cannot"):
            face(shelf.nap, 0.01)
        with pytest.raises(TypeError, match="a batch cannot"):
            face(shelf.nap_inside)
    else:
        assert face(shelf.nap, 0.01) == "rested"
        assert face(shelf.nap_inside) == ["rested", "rested"]


def test_a_batch_is_one_trip_per_alias(two_aliases: None) -> None:
    """Operations of two connections travel in one pipeline each."""
    other = Shelf("other")
    with trace.record() as log, batch() as b:
        puts = [b(on.put, name, f"{on.connection} {name}") for on in (shelf, other) for name in ("a", "b")]
    assert [put.value for put in puts] == [True] * 4
    assert (log.trips, len(log.commands)) == (2, 4)
    assert (shelf.get("a"), other.get("a")) == ("default a", "other a")


def test_an_async_batch_is_one_trip(bare_redis: redis.Redis) -> None:
    """`async with batch()` sends what `with batch()` does."""
    bare_redis.set("a", "1")
    bare_redis.set("b", "2")

    async def main() -> tuple[str, str]:
        async with batch() as b:
            first, second = b(shelf.get, "a"), b(shelf.get, "b")
        return first.value, second.value

    with trace.record() as log:
        assert asyncio.run(main()) == ("1", "2")
    assert log.trips == 1


def test_one_body_on_two_connections(two_aliases: None, face: Face) -> None:
    """`io.on` gives the same verbs on another connection."""
    shelf.put("a", "here")
    Shelf("other").put("a", "there")
    assert face(both_sides, "a") == [b"here", b"there"]


def test_script_after_script_flush(one_node: None, face: Face, bare_redis: redis.Redis) -> None:
    """A server that has lost its scripts is sent the text again, in a batch too."""
    for expected in (2, 4):
        bare_redis.script_flush()
        assert face(shelf.bump, "n", by=2) == expected
    assert bare_redis.script_exists(BUMP.sha) == [True]


def test_many_scripts_after_script_flush(bare_redis: redis.Redis) -> None:
    """A batch of scripts that the server has lost takes two trips, and each runs once."""
    bare_redis.script_flush()
    with trace.record() as log, batch() as b:
        numbers = [b(shelf.bump, f"n{i}") for i in range(5)]
    assert [number.value for number in numbers] == [1] * 5
    assert log.trips == 2


@pytest.mark.cluster
def test_scripts_on_a_cluster(on_cluster: RedisCluster, face: Face) -> None:
    """A script runs on the node of its key, also after every node has lost it."""
    for node in on_cluster.nodes[: on_cluster.masters]:
        with redis.Redis(port=node.port, protocol=2) as client:
            client.script_flush()
    assert [face(shelf.bump, f"n{i}") for i in range(20)] == [1] * 20


@pytest.mark.cluster
@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_batch_on_a_cluster(way: str, on_cluster: RedisCluster) -> None:
    """A batch over all slots gives each operation its own reply."""
    if way == "sync":
        with batch() as b:
            pending = [b(shelf.bump, f"n{i}", i) for i in range(50)]
    else:

        async def main() -> list[Any]:
            async with batch() as b:
                return [b(shelf.bump, f"n{i}", i) for i in range(50)]

        with asyncio.Runner() as runner:
            pending = runner.run(main())
            runner.run(adisconnect())
    assert [p.value for p in pending] == list(range(50))


def test_a_subclass_overrides_the_body(face: Face) -> None:
    """Overriding the body changes every face."""
    loud = LoudShelf()
    loud.put("a", "quiet")
    assert face(loud.get, "a") == "QUIET"


def test_value_before_the_end(bare_redis: redis.Redis) -> None:
    """A promise read too early raises and says when to read."""
    with batch() as b:
        pending = b(shelf.get, "a")
        with pytest.raises(RuntimeError, match="after the with block"):
            _ = pending.value
    assert pending.value == ""


def test_first_unseen_error_is_raised() -> None:
    """Leaving a batch raises its first error; the other operations have run."""
    b = batch()
    done, *_ = b(shelf.put, "a", "1"), b(shelf.fail, "first"), b(shelf.fail, "second")
    with pytest.raises(ValueError, match="first"), b:
        pass
    assert done.value is True


def test_return_exceptions() -> None:
    """With return_exceptions each value raises its own error, and leaving raises none."""
    with batch(return_exceptions=True) as b:
        good, bad = b(shelf.put, "a", "1"), b(shelf.fail, "mine")
    assert good.value is True
    with pytest.raises(ValueError, match="mine"):
        _ = bad.value


def test_an_error_in_the_block_sends_nothing(bare_redis: redis.Redis) -> None:
    """An exception inside the with block wins, and nothing of the batch was sent."""
    with suppress(KeyError), batch() as b:
        b(shelf.put, "a", "1")
        raise KeyError
    assert not bare_redis.exists("a")


@pytest.mark.parametrize("stranger", [len, shelf.aget, lambda: None])
def test_a_batch_takes_operations_only(stranger: Any) -> None:
    """What is not the sync face of an operation is refused."""
    with pytest.raises(TypeError, match="sync face"), batch() as b:
        b(stranger)


def test_a_foreign_await_is_refused(face: Face) -> None:
    """A body that waits for something other than its io gets an error instead of hanging."""

    async def _odd(io: IO) -> None:
        await asyncio.sleep(0)

    odd, _ = both(_odd)
    with pytest.raises(RuntimeError, match="other than its io"):
        face(odd)


def test_nested_gather_is_one_trip(face: Face, bare_redis: redis.Redis) -> None:
    """Bodies gathered inside gathered bodies share one pipeline, and results keep their order."""
    for name in "abcd":
        bare_redis.set(name, name.upper())
    with trace.record() as log:
        assert face(shelf.several, "a", "b", "c", "d") == [["A", "B"], ["C", "D"]]
    assert log.trips == 1


def test_gathering_nothing(face: Face) -> None:
    """A gather of nothing is an empty list."""

    async def _nothing(io: IO) -> list[Any]:
        return await io.gather()

    nothing, _ = both(_nothing)
    assert face(nothing) == []


def test_an_error_in_gather_reaches_the_body(face: Face) -> None:
    """A gather raises the first error of its bodies, where the body can catch it."""

    async def _careful(io: IO) -> str:
        try:
            await io.gather(shelf._fail(io, "one"), shelf._fail(io, "two"))
        except ValueError as error:
            return f"caught {error}"
        return "missed"

    careful, _ = both(_careful)
    assert face(careful) == "caught one"


def test_errors_can_be_caught_inside_a_body(face: Face) -> None:
    """An error of Redis is raised at the await that caused it."""
    shelf.put("text", "x")
    assert face(shelf.forgiving, "text") == "ResponseError"


def test_faces_look_like_functions() -> None:
    """Names, docstrings and signatures are the body's, without io; the a-face is a coroutine function."""
    assert (Shelf.get.__name__, Shelf.aget.__name__) == ("get", "aget")
    assert (Shelf.get.__qualname__, Shelf.aget.__qualname__) == ("Shelf.get", "Shelf.aget")
    assert Shelf.get.__doc__ == Shelf.aget.__doc__ == "Return what was stored."
    assert str(inspect.signature(Shelf.get)) == "(self, name: str, *, default: str = '') -> str"
    assert str(inspect.signature(shelf.aget)) == "(name: str, *, default: str = '') -> str"
    assert inspect.iscoroutinefunction(Shelf.aget)
    assert not inspect.iscoroutinefunction(Shelf.get)


def test_a_function_starts_on_the_default_connection(one_node: None, face: Face) -> None:
    """A plain function is an operation too."""
    assert face(echo, "hello") == "hello"


def test_wrong_arguments_raise_at_the_call(face: Face) -> None:
    """A wrong call is the TypeError that Python itself raises."""
    with pytest.raises(TypeError):
        face(shelf.get, "a", "b", "c")  # type: ignore[call-arg]
