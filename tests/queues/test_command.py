"""``manage.py redis queues`` and ``manage.py redis worker``."""

import io
import json
import re
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings

from django_redis_patterns.queues import Queue
from django_redis_patterns.queues.tasks import run_tasks
from django_redis_patterns.testing.servers import RedisServer, free_port
from tests.errands.tasks import add, unsayable

pytestmark = pytest.mark.permanent_keys("redis_patterns:queues:*")


def run(*args: str, area: str = "queues") -> str:
    out = io.StringIO()
    call_command("redis", area, *args, stdout=out)
    return out.getvalue()


def told(*args: str) -> Any:
    return json.loads(run(*args, "--json"))


@pytest.fixture
def dead() -> str:
    """The id of a dead letter in front of which two tasks wait, and one that is late."""
    result = unsayable.enqueue()
    run_tasks()
    add.using(priority=5).enqueue(1, 2)
    add.enqueue(3)
    Queue("default").push("late", delay=60)
    return result.id.partition(".")[0]


def test_list_tells_of_every_queue(dead: str) -> None:
    """Those of TASKS, though they may be empty, and others that have jobs."""
    Queue("with {braces} and *").push(1)
    default, mail, other = run("list").splitlines()
    assert re.fullmatch(r"default  2 waiting, 1 later, 0 running, 1 dead, the next one since \d+ s", default)
    assert mail == "mail  0 waiting, 0 later, 0 running, 0 dead"
    assert other.startswith("with {braces} and *  1 waiting")
    assert next((row["queue"], row["waiting"], row["later"]) for row in told("list")) == ("default", 2, 1)


def test_list_says_that_there_is_nothing() -> None:
    with override_settings(TASKS={}):
        assert run("list") == "No queue has a job.\n"
        assert told("list") == []


def test_show_tells_what_waits_and_why_something_is_dead(dead: str) -> None:
    first, *lines = run("show", "default").splitlines()
    assert first.startswith("default  2 waiting")
    assert sum(int(re.fullmatch(r"    \d\d:\d\d  (\d) in, 0 done, 0 failed", line)[1]) for line in lines[:5]) == 4
    assert [re.sub(r"  [-\w]{20}  ", "  ID  ", line) for line in lines if "waits" in line] == [
        '  waits  ID  +5  ["tests.errands.tasks.add", [1, 2], {}]',
        '  waits  ID  +0  ["tests.errands.tasks.add", [3], {}]',
    ]
    assert re.search(rf"  dead   {dead}  .*  TypeError: Unsupported type", run("show", "default"))
    document = told("show", "default", "--count", "1")
    assert [len(document[name]) for name in ("waiting", "dead", "history")] == [1, 1, 5]
    assert document["dead"][0]["id"] == dead


def test_dead_letters_are_retried_and_discarded(dead: str) -> None:
    """By their ids, or all of them."""
    assert run("retry", "default", dead) == "1 run again\n"
    assert run("retry", "default", dead) == "0 run again\n"
    run_tasks()
    assert told("discard", "default", "--all") == {"queue": "default", "removed": 1}
    assert Queue("default").dead() == []


def test_retrying_all_ends_though_they_die_again_at_once(dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that was there is retried once."""
    retry = Queue.retry

    def with_a_fast_worker(queue: Queue, *ids: str) -> int:
        count = retry(queue, *ids)
        run_tasks()
        return count

    monkeypatch.setattr(Queue, "retry", with_a_fast_worker)
    assert run("retry", "default", "--all") == "1 run again\n"
    assert [letter.id for letter in Queue("default").dead()] == [dead]


def test_retrying_all_of_many_retries_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the old ones behind those that die again, of which one call retries as many."""
    monkeypatch.setattr("django_redis_patterns.management.queues.AT_ONCE", 2)
    results = [unsayable.enqueue() for _ in range(5)]
    run_tasks()
    retried, retry = [], Queue.retry

    def with_a_fast_worker(queue: Queue, *ids: str) -> int:
        retried.extend(ids)
        count = retry(queue, *ids)
        run_tasks()
        return count

    monkeypatch.setattr(Queue, "retry", with_a_fast_worker)
    assert run("retry", "default", "--all") == "5 run again\n"
    assert sorted(retried) == [result.id.partition(".")[0] for result in results]


@pytest.mark.parametrize("words", [("retry", "default"), ("discard", "default", "id", "--all")])
def test_what_is_to_be_done_has_to_be_said(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match=r"Name the ids \(manage.py redis queues show default\), or say --all"):
        run(*words)


def test_a_queue_is_paused_and_goes_on(dead: str) -> None:
    assert run("pause", "default") == "default is paused: what runs goes on\n"
    assert run_tasks() == []
    assert run("show", "default").splitlines()[0].endswith("paused")
    assert run("resume", "default") == "default goes on\n"
    assert run("resume", "default") == "default was not paused\n"
    assert told("resume", "default") == {"queue": "default", "is_paused": False, "was_paused": False}
    assert len(run_tasks()) == 2


def test_a_queue_is_purged(dead: str) -> None:
    """Of what waits, and of nothing else."""
    assert run("purge", "default") == "3 removed\n"
    assert [letter.id for letter in Queue("default").dead()] == [dead]


@pytest.mark.parametrize("action", ["show", "retry", "discard", "pause", "resume", "purge"])
def test_a_queue_that_there_is_not_is_told(action: str) -> None:
    """Nothing is written for a name that is mistyped."""
    Queue("thumbs").push(1)
    with pytest.raises(CommandError, match=r"There is no queue 'thums'\. There are: default, mail, thumbs\."):
        run(action, "thums", *(["--all"] if action in ("retry", "discard") else []))


def test_a_queue_without_a_job_is_known_by_tasks_and_by_what_it_had() -> None:
    assert run("pause", "mail").startswith("mail is paused")
    assert "mail  0 waiting, 0 later, 0 running, 0 dead, paused" in run("list").splitlines()
    thumbs = Queue("thumbs")
    thumbs.remove(thumbs.push(1))
    assert run("show", "thumbs").startswith("thumbs  0 waiting")


def test_a_queue_of_tasks_is_looked_for_where_it_is(redis_server: RedisServer) -> None:
    """On the connection of its backend, unless another one is said."""
    two = {"default": redis_server.url, "other": redis_server.url.replace("/0", "/1")}
    mail = {**settings.TASKS["default"], "QUEUES": ["mail"], "OPTIONS": {"connection": "other"}}
    with override_settings(REDIS_PATTERNS={"CONNECTIONS": two}, TASKS={"default": mail}):
        job = Queue("mail", connection="other").push("hello")
        assert job in run("show", "mail")
        assert run("list").startswith("mail  1 waiting")
        assert job not in run("--connection", "default", "show", "mail")
        assert run("purge", "mail") == "1 removed\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "x" * 41], "A queue's name is a text of 1 to 40 characters"),
        (["show", "default", "--count", "0"], "count is from 1 to 1000, not 0"),
        (["--connection", "nope", "list"], "'nope'.*default"),
        (["--connection", "nope", "purge", "default"], "'nope'.*default"),
    ],
)
def test_what_cannot_be_done_is_told(words: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run(*words)


@pytest.mark.parametrize("words", [["list"], ["show", "default"], ["pause", "thumbs"]])
def test_no_password_is_told_when_redis_is_away(words: list[str]) -> None:
    url = f"redis://app:canary@127.0.0.1:{free_port()}/0"
    with (
        override_settings(REDIS_PATTERNS={"CONNECTIONS": {"default": {"URL": url}}}),
        pytest.raises(CommandError, match="'default' is unavailable") as caught,
    ):
        run(*words)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--queues", "nobody"], r"No RedisBackend in TASKS has a queue 'nobody'. There are: default, mail"),
        (["--queues", "mail:0"], r"'mail:0' is no queue, nor a queue and a number of threads, such as mail:8"),
        (["--queues", "mail:many"], r"'mail:many' is no queue, nor a queue and a number of threads"),
        (["--threads", "0"], r"argument --threads: '0' is no whole number from 1 on"),
        (["--processes", "0"], r"argument --processes: '0' is no whole number from 1 on"),
        (["--max-jobs", "-1"], r"argument --max-jobs: '-1' is no whole number from 1 on"),
        (["--max-rss", "1.5"], r"argument --max-rss: '1.5' is no whole number from 1 on"),
        (["--grace=-1"], r"argument --grace: '-1' is no number of seconds"),
        (["--grace", "long"], r"argument --grace: 'long' is no number of seconds"),
    ],
)
def test_a_worker_that_cannot_be_is_told(words: list[str], message: str) -> None:
    tasks = {"default": {"BACKEND": "django_redis_patterns.queues.tasks.RedisBackend", "QUEUES": ["default", "mail"]}}
    with override_settings(TASKS=tasks), pytest.raises(CommandError, match=message):
        run(*words, area="worker")


def test_a_worker_without_queues_is_told_what_to_write() -> None:
    dummy = {"default": {"BACKEND": "django_redis_patterns.queues.tasks.DummyBackend"}}
    with override_settings(TASKS=dummy), pytest.raises(CommandError, match="TASKS names no queue of a RedisBackend"):
        run(area="worker")
