"""``manage.py redis worker``, as real processes, and what becomes of their tasks when they die."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import override_settings

from django_redis_patterns.core.connections.clients import reset
from django_redis_patterns.exceptions import RedisFull, TaskKilled
from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.moves import Taker, step_once
from django_redis_patterns.queues.solitude import CALM
from django_redis_patterns.queues.tasks import TaskTimeout
from django_redis_patterns.queues.tasks.framework import TaskResultStatus
from django_redis_patterns.testing.servers import RedisServer
from tests.core.worker.conftest import until
from tests.core.worker.storm import JOURNAL, Program
from tests.errands.tasks import aadd, add, linger, whose

from .plays import hog, hold, once, poison

pytestmark = pytest.mark.permanent_keys("redis_patterns:queues:*")

#: Seconds of a lease that nobody waits for.
LONG = 600.0
SUCCESSFUL, FAILED = TaskResultStatus.SUCCESSFUL, TaskResultStatus.FAILED

Start = Callable[..., Program]


class Diary:
    """What tasks wrote down."""

    def __init__(self, folder: Path) -> None:
        self.path, self._go = folder / "diary", folder / "go"
        self.path.touch()

    def count(self, line: str) -> int:
        return self.path.read_text().splitlines().count(line)

    def go(self) -> None:
        """Let those go on that `hold`."""
        self._go.touch()


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary(tmp_path)


@pytest.fixture
def start(tmp_path: Path, diary: Diary) -> Iterator[Start]:
    """Start a worker of one process; it ends with the test."""
    programs: list[Program] = []

    def start(*words: str, lease: float = LONG) -> Program:
        connection = settings.REDIS_PATTERNS["CONNECTIONS"]["default"]
        programs.append(Program(tmp_path, ["tests.queues.tortured", "redis", "worker", *words], connection, lease))
        return programs[-1]

    yield start
    for program in programs:
        program.end()
    print((tmp_path / "log").read_text()[-20_000:])  # which pytest shows when the test has failed


def child_of(program: Program) -> Any:
    return until(program.children)[0]


def test_tasks_run(start: Start) -> None:
    """Of two queues, in threads and on the event loop; and the worker ends when it is told to."""
    worker = start("--queues", "default:2,mail")
    results = [add.enqueue(1, 2), aadd.enqueue(3, 4), whose.enqueue("ann"), linger.enqueue(60)]
    assert all(result.wait(30) for result in results)
    assert [result.return_value for result in results[:3]] == [3, 7, ["ann", 1, results[2].id]]
    assert [error.exception_class for error in results[3].errors] == [TaskTimeout]
    assert worker.stop() == 0


def test_what_a_killed_process_had_runs_again_at_once(start: Start, diary: Diary) -> None:
    worker = start()
    result = hold.enqueue(1)
    until(lambda: diary.count("began 1"))
    child_of(worker).kill()
    until(lambda: diary.count("began 1") == 2)
    diary.go()
    assert result.wait(30)
    assert (result.status, result.return_value, result.attempts) == (SUCCESSFUL, 1, 2)
    assert len(set(result.worker_ids)) == 2


def test_what_a_killed_worker_had_is_run_by_the_next_one(start: Start, diary: Diary) -> None:
    """On the same machine, without waiting for a lease."""
    result = hold.enqueue(1)
    worker = start()
    until(lambda: diary.count("began 1"))
    worker.end()
    start()
    until(lambda: diary.count("began 1") == 2)
    diary.go()
    assert result.wait(30)
    assert result.attempts == 2


def test_what_another_machine_had_is_run_after_its_lease(start: Start, bare_redis: redis.Redis, diary: Diary) -> None:
    """And no earlier: it may be alive."""
    result = hold.enqueue(1)
    diary.go()
    place = Queue("default").place
    elsewhere = Taker("elsewhere.1.1.abc", lease=3)
    assert step_once(place, elsewhere, (), 1, 0).claims
    till = bare_redis.zscore(place.keys.live, elsewhere.name)
    start()
    assert result.wait(30)
    seconds, microseconds = bare_redis.time()
    assert seconds * 1000 + microseconds / 1000 >= till
    assert (result.attempts, diary.count("began 1")) == (2, 1)


def test_poison_takes_nobody_with_it(start: Start, diary: Diary) -> None:
    """What was taken together with it has ended; it is a dead letter, and its result says why."""
    results = [once.enqueue(number) for number in range(60)]
    poisonous = poison.enqueue(7)
    results += [once.enqueue(number) for number in range(60, 120)]
    start("--processes", "2")
    assert all(result.wait(60) for result in results)
    assert {result.status for result in results} == {SUCCESSFUL}
    assert poisonous.wait(60)
    assert (poisonous.status, poisonous.errors[0].exception_class) == (FAILED, TaskKilled)
    assert diary.count("began 7") == settings_of("MAX_KILLS", 4) + 1  # and once that of number 7
    (letter,) = Queue("default").dead()
    assert (letter.id, letter.reason) == (poisonous.id.split(".")[0], "4 processes died while they had it")


def settings_of(name: str, default: int) -> int:
    given: int = settings.REDIS_PATTERNS.get("QUEUES", {}).get(name, default)
    return given


def test_who_is_stopped_ends_what_runs_and_gives_back_the_rest(start: Start, diary: Diary) -> None:
    """To the front of the queue, in its order; no attempt is counted."""
    queue = Queue("default")
    short = [once.enqueue(number) for number in range(200)]  # by which it learns to take many
    held = hold.enqueue(1000)
    rest = [once.enqueue(number) for number in range(300, 500)]
    worker = start("--threads", "1")
    until(lambda: diary.count("began 1000"))
    until(lambda: queue.stats().running > 1)
    worker.supervisor.signal(signal.SIGTERM)
    until(lambda: queue.stats()[:3] == (200, 0, 1))
    assert [f"{waiting.id}.default" for waiting in queue.peek(200)] == [result.id for result in rest]
    diary.go()
    assert worker.wait() == 0
    held.refresh()
    assert held.status == SUCCESSFUL
    assert short[-1].wait(0)
    start()
    assert rest[0].wait(30)
    assert rest[0].attempts == 1


def test_a_second_word_gives_back_at_once(start: Start, diary: Diary) -> None:
    """As if it had not begun."""
    worker = start("--grace", "600")
    result = hold.enqueue(1)
    until(lambda: diary.count("began 1"))
    worker.supervisor.signal(signal.SIGTERM)
    until(lambda: "Finishing" in (diary.path.with_name("log")).read_text())
    assert worker.stop() == 0
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.READY, 0)


def test_it_goes_on_when_redis_is_back(tmp_path: Path, diary: Diary) -> None:
    """Its connections are closed, and the server dies and comes back: nothing has to be done."""
    with RedisServer(options=JOURNAL) as server, override_settings(REDIS_PATTERNS=at(server)):
        worker = Program(tmp_path, ["tests.queues.tortured", "redis", "worker"], server.connection, LONG)
        try:
            assert add.enqueue(1, 2).wait(30)
            with server.client() as client:
                client.client_kill_filter(_type="normal", skipme=True)
            assert add.enqueue(1, 2).wait(30)
            late = add.using(priority=1).enqueue(3, 4)
            with server.down():
                pass
            until(lambda: tells_of(late))
        finally:
            worker.end()


def test_nothing_is_lost_while_redis_is_full(tmp_path: Path, diary: Diary) -> None:
    """Nothing can be enqueued, and no end be recorded; that is made up for, and nothing runs twice."""
    with RedisServer() as server, server.client() as client, override_settings(REDIS_PATTERNS=at(server)):
        worker = Program(tmp_path, ["tests.queues.tortured", "redis", "worker"], server.connection, LONG)
        try:
            result = hold.enqueue(1)
            until(lambda: diary.count("began 1"))
            client.config_set("maxmemory", 1)
            with pytest.raises(RedisFull):
                add.enqueue(1)
            diary.go()
            until(lambda: diary.count("ended 1"))
            until(lambda: "memory is full" in (tmp_path / "log").read_text())
            client.config_set("maxmemory", 0)
            assert result.wait(30)
            assert (result.status, result.attempts, diary.count("began 1")) == (SUCCESSFUL, 1, 1)
        finally:
            worker.end()


def at(server: RedisServer) -> dict[str, Any]:
    return {"CONNECTIONS": {"default": server.connection}}


def tells_of(result: Any) -> bool:
    try:
        result.refresh()
    except Exception:  # the server is just coming back
        return False
    return bool(result.is_finished)


def test_the_end_of_who_was_given_up_for_dead_does_not_count(start: Start, diary: Diary) -> None:
    """Frozen for longer than its lease, and thawed: somebody else has ended its task, and recorded that."""
    queue = Queue("default")
    frozen = start(lease=1)
    result = hold.enqueue(1)
    until(lambda: diary.count("began 1"))
    tree = frozen.tree()
    for process in tree:
        process.freeze()
    start(lease=1)
    until(lambda: diary.count("began 1") == 2)
    diary.go()
    assert result.wait(30)
    for process in tree:
        process.thaw()
    until(lambda: diary.count("ended 1") == 2)
    until(lambda: sum(minute.lost for minute in queue.history(5)) == 1)
    assert sum(minute.done for minute in queue.history(5)) == 1
    recorded = result.worker_ids
    result.refresh()
    assert result.worker_ids == recorded


@pytest.mark.parametrize(
    ("seconds", "lease"), [(4, 1), pytest.param(60, 15, marks=[pytest.mark.slow, pytest.mark.timeout(150)])]
)
def test_who_keeps_the_interpreter_busy_keeps_the_task(start: Start, diary: Diary, seconds: int, lease: float) -> None:
    """No thread of that process can run, and so none could renew a lease; there is somebody who would take over."""
    start(lease=lease)
    result = hog.enqueue(seconds)
    until(lambda: diary.count(f"began {seconds}"))
    start(lease=lease)
    assert result.wait(seconds + 30)
    assert (result.status, result.attempts, diary.count(f"began {seconds}")) == (SUCCESSFUL, 1, 1)


def test_a_worn_out_process_is_replaced(start: Start, diary: Diary) -> None:
    start("--max-jobs", "100")
    results = []
    for _ in range(2):
        results += [add.enqueue(number) for number in range(300)]
        assert all(result.wait(30) for result in results)
        until(lambda: "another will follow" in diary.path.with_name("log").read_text())
    assert {result.attempts for result in results} == {1}
    assert len({result.worker_ids[0] for result in results}) > 1


@pytest.mark.slow
def test_who_has_nothing_to_do_says_next_to_nothing(start: Start, bare_redis: redis.Redis) -> None:
    """At most one command in two seconds, once nothing has come for a while."""
    start("--queues", "default", lease=15)
    assert add.enqueue(1, 2).wait(30)
    reset()  # what listens for this process says something now and then, too
    time.sleep(CALM + 5)
    before, began = commands(bare_redis), time.monotonic()
    time.sleep(40)
    assert commands(bare_redis) - before <= (time.monotonic() - began) / 2 + 1


def commands(client: redis.Redis) -> int:
    """Return how many were sent by others; what scripts call is not."""
    stats = client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval", "blpop", "ping"))
