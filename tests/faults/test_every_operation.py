"""Every operation under every fault: never two effects, never longer than its budget, and well again afterwards."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections import options
from django_redis_patterns.core.connections.breaker import breaker
from django_redis_patterns.exceptions import RedisDenied, RedisUnavailable
from django_redis_patterns.testing.fixtures import Face
from django_redis_patterns.testing.proxy import FaultProxy
from django_redis_patterns.testing.servers import RedisServer
from tests.faults.rows import ROWS, Call, Row, operations, was_answered

pytestmark = [pytest.mark.permanent_keys("*"), pytest.mark.django_db(transaction=True)]


def refuse_to_wait(row: Row, face: Face) -> None:
    if row.waits and face.way == "batch":
        pytest.skip("it waits, which a batch cannot")


every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
#: Seconds that a busy machine may add to whatever is timed.
BUSY = 3.0


def test_every_operation_has_a_row() -> None:
    """An operation that nobody looked at under faults is a mistake."""
    assert set(operations()) == set(ROWS)


def done(face: Face, call: Call) -> bool:
    """Make the call within its budget: did Redis answer it? Raises what is no outage."""
    budget = options.target("default").budget
    started = time.monotonic()
    with trace.record() as log:
        try:
            result = face(*call)
        except RedisUnavailable:
            returned = False
        else:
            returned = was_answered(result)
    assert time.monotonic() - started < budget * max(1, log.trips) + BUSY
    return returned


def check(row: Row, admin: redis.Redis, returned: bool, *, is_well: bool = False) -> None:
    found = row.look(admin)
    assert found in row.outcomes
    if returned and (is_well or not row.goes_on):
        assert found == row.outcomes[-1]
    if row.reads:
        assert found == row.outcomes[0]


def prepared(row: Row, admin: redis.Redis) -> Call:
    """Prepare, and again if the machine was too busy for the short timeouts that outages have here."""
    end = time.monotonic() + 10
    while True:
        try:
            return row.prepare()
        except RedisUnavailable:
            assert time.monotonic() < end
            breaker.cache_clear()
            admin.flushall()


def well_again(face: Face, row: Row, admin: redis.Redis) -> None:
    """Within two seconds of the end of the fault, whatever it was, an operation is its ordinary self."""
    end = time.monotonic() + 2 + BUSY
    while True:
        try:
            admin.flushall()
            call = row.prepare()
            assert done(face, call)
            break
        except RedisUnavailable:
            assert time.monotonic() < end
            time.sleep(0.02)
    check(row, admin, True, is_well=True)


@every_row
def test_a_reply_cut_at_every_command(row: Row, cutter: FaultProxy, admin: redis.Redis, face: Face) -> None:
    """Wherever a reply is lost: at most one effect, and a read does not even notice."""
    refuse_to_wait(row, face)
    for number in range(1, 40):
        admin.flushall()
        call = row.prepare()
        before = cutter.commands
        cutter.cut_reply(number)
        returned = done(face, call)
        was_cut = cutter.commands - before >= number
        cutter.heal()
        breaker.cache_clear()
        check(row, admin, returned)
        assert returned or not row.reads
        if not was_cut:
            assert returned
            return
    raise AssertionError("The operation never comes to its end.")


Fault = Callable[[FaultProxy, redis.Redis], None]
FAULTS: dict[str, tuple[Fault, Fault]] = {
    "black hole": (lambda proxy, admin: proxy.black_hole(), lambda proxy, admin: proxy.heal()),
    "refused": (lambda proxy, admin: (proxy.refuse(), proxy.reset())[0], lambda proxy, admin: proxy.heal()),
    "read only": (
        lambda proxy, admin: admin.replicaof("127.0.0.1", "1"),
        lambda proxy, admin: admin.replicaof("NO", "ONE"),
    ),
    "no replicas": (
        lambda proxy, admin: admin.config_set("min-replicas-to-write", 1),
        lambda proxy, admin: admin.config_set("min-replicas-to-write", 0),
    ),
    "full": (
        lambda proxy, admin: admin.config_set("maxmemory", 1),
        lambda proxy, admin: admin.config_set("maxmemory", 0),
    ),
}


@contextmanager
def suffering(name: str, proxy: FaultProxy, admin: redis.Redis) -> Iterator[None]:
    begin, end = FAULTS[name]
    begin(proxy, admin)
    try:
        yield
    finally:
        end(proxy, admin)


@every_row
@pytest.mark.parametrize("fault", FAULTS)
def test_an_outage(fault: str, row: Row, proxy: FaultProxy, admin: redis.Redis) -> None:
    """Each kind of outage is a `RedisUnavailable` in time, and over when it is over."""
    face = SYNC
    call = prepared(row, admin)
    with suffering(fault, proxy, admin):
        returned = done(face, call)
        check(row, admin, returned)
        assert not returned or row.goes_on or fault not in ("black hole", "refused")
    well_again(face, row, admin)


@every_row
@pytest.mark.parametrize("loss", ["scripts", "connections", "everything"])
def test_a_loss_that_nobody_sees(loss: str, row: Row, cutter: FaultProxy, admin: redis.Redis, face: Face) -> None:
    """Scripts are sent again, connections made anew; a Redis that has lost its data is an empty one."""
    refuse_to_wait(row, face)
    if loss == "everything":
        call = row.prepare()
        admin.flushall()
        assert not isinstance(error_of(lambda: face(*call)), redis.RedisError), "a driver's error came through"
    else:
        call = row.prepare()
        admin.script_flush() if loss == "scripts" else cutter.reset()
        assert done(face, call)
        check(row, admin, True)
    well_again(face, row, admin)


def error_of(call: Callable[[], Any]) -> Exception | None:
    try:
        call()
    except Exception as error:
        return error
    return None


@every_row
def test_a_password_that_changes_under_traffic(row: Row, proxy: FaultProxy, admin: redis.Redis) -> None:
    """Who may not come in any more is told so, and not that Redis is away."""
    call = prepared(row, admin)
    admin.acl_setuser("default", enabled=True, passwords=["+new"], reset_passwords=True, commands=["+@all"])
    try:
        proxy.reset()
        with pytest.raises(RedisDenied):
            SYNC(*call)
    finally:
        admin.acl_setuser("default", enabled=True, nopass=True)
    well_again(SYNC, row, admin)


@pytest.mark.slow
@every_row
@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_a_server_that_dies_or_freezes(how: str, row: Row, victim: RedisServer, proxy: FaultProxy, admin: Any) -> None:
    """A killed server has what it acknowledged when it is back; a frozen one holds nobody up."""
    call = prepared(row, admin)
    victim.kill() if how == "kill" else victim.pause()
    try:
        assert not done(SYNC, call) or row.goes_on
    finally:
        victim.restart() if how == "kill" else victim.resume()
    check(row, admin, False)
    well_again(SYNC, row, admin)


@pytest.mark.slow
@every_row
def test_a_server_that_comes_back_empty(row: Row, victim: RedisServer, proxy: FaultProxy, admin: redis.Redis) -> None:
    """Scripts, groups of keys and indexes are gone: the library starts over with what it needs."""
    prepared(row, admin)
    victim.kill()
    for path in (victim.folder / "appendonlydir", victim.folder / "appendonly.aof"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    victim.restart()
    assert admin.dbsize() == 0
    well_again(SYNC, row, admin)


class _Sync:
    """The plain face, where the way of calling makes no difference to what is shown."""

    way = "sync"

    def __call__(self, operation: Any, *args: Any) -> Any:
        return operation(*args)


SYNC: Any = _Sync()
