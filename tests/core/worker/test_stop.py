"""How a program ends: what has begun ends first, what has not is given back, nothing is lost."""

import signal

import pytest

from tests.core.worker.conftest import Site, until

pytestmark = pytest.mark.permanent_keys("*:words:*")


def test_sigterm_finishes_what_has_begun_and_gives_back_the_rest(site: Site) -> None:
    program = site.program("--concurrency", "1")
    site.push("sleep:0:0", *(f"sleep:0.001:{n}" for n in range(30)))  # short ones are taken ahead
    site.ended("ok sleep:0.001:29")
    site.push("wait:go:1", *(f"sleep:0:{n}" for n in range(2, 10)))
    until(lambda: site.runs()["wait:go:1"])
    until(lambda: len(site.taken()) > 1)
    program.process.signal(signal.SIGTERM)
    until(lambda: any(end.startswith("back ") for end in site.ends()))
    (site.folder / "go").touch()
    assert program.wait() == 0
    assert site.ends()["ok wait:go:1"] == 1
    assert site.taken() == {}
    assert {end for end in site.ends() if end.startswith("back")} <= {f"back sleep:0:{n}" for n in range(2, 10)}


def test_what_does_not_end_within_its_grace_is_given_back(site: Site) -> None:
    """Whether it holds a thread, a place on the loop, or the loop itself."""
    program = site.program("--grace", "0.2")
    words = ["wait:never:1", "asleep:60:2", "ablock:60:3"]
    for count, word in enumerate(words, 1):
        site.push(word)
        until(lambda count=count: len(site.noted("began")) == count)
    program.process.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert site.ends() == {f"back {word}": 1 for word in words}
    assert site.taken() == {}


def test_a_second_signal_gives_back_at_once(site: Site) -> None:
    program = site.program("--grace", "600")
    site.push("wait:never:1")
    until(lambda: site.noted("began"))
    program.process.signal(signal.SIGTERM)
    until(lambda: "Finishing" in program.log)
    program.process.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert site.ends() == {"back wait:never:1": 1}


def test_a_terminals_interrupt_reaches_all_and_means_the_same(site: Site) -> None:
    """Children hear it too: they leave it to the supervisor."""
    program = site.program("--processes", "2")
    site.push("sleep:1:1")
    until(lambda: site.noted("began") and len(program.children()) == 2)
    for process in (*program.children(), program.process):
        process.signal(signal.SIGINT)
    assert program.wait() == 0
    assert site.ends() == {"ok sleep:1:1": 1}
    assert "Traceback" not in program.log


def test_a_child_may_be_told_to_end_by_itself(site: Site) -> None:
    """It finishes what it has begun, and another takes its place."""
    program = site.program()
    site.push("sleep:0.5:1")
    until(lambda: site.noted("began"))
    (child,) = program.children()
    child.signal(signal.SIGTERM)
    site.ended("ok sleep:0.5:1")
    until(lambda: (now := program.children()) and child not in now)
    assert site.runs()["sleep:0.5:1"] == 1


@pytest.mark.slow
def test_a_child_that_cannot_end_is_killed(site: Site) -> None:
    """What it had is given back by the supervisor."""
    program = site.program("--grace", "0", lease=600)
    site.push("hog:60:1")
    until(lambda: site.noted("began"))
    program.process.signal(signal.SIGTERM)
    assert program.wait() == 0
    site.program(lease=600)
    until(lambda: site.runs()["hog:60:1"] == 2)


def test_an_idle_program_ends_at_once(site: Site) -> None:
    """It does not wait for its blocking reads."""
    program = site.program("--processes", "2")
    until(lambda: len(program.children()) == 2)
    program.process.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert "killed" not in program.log


@pytest.mark.parametrize("limit", [("--max-jobs", "3"), pytest.param(("--max-rss", "1"), marks=pytest.mark.slow)])
def test_a_child_is_replaced_when_it_has_done_enough(limit: tuple[str, str], site: Site) -> None:
    """By order, not as one that died: what it has begun ends, nothing runs twice."""
    program = site.program(*limit)
    (before,) = until(program.children)
    words = [f"sleep:0.3:{n}" for n in range(3)]
    site.push(*words)
    until(lambda: before.is_gone)
    until(program.children)
    site.push("sleep:0:9")
    site.ended(*(f"ok {word}" for word in words), "ok sleep:0:9")
    assert max(site.runs().values()) == 1
    assert "another will follow" in program.log
    assert "ended with" not in program.log
