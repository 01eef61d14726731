"""How handlers run: side by side, each with what is its own, and none can harm the child."""

import signal

import pytest

from tests.core.worker.conftest import Site, until

pytestmark = pytest.mark.permanent_keys("*:words:*")


def overlap(site: Site) -> int:
    """Return how many jobs were at it at most."""
    lines = [line.split()[0] for line in (site.folder / "diary").read_text().splitlines()]
    at_once = most = 0
    for event in lines:
        at_once += {"began": 1, "ended": -1}.get(event, 0)
        most = max(most, at_once)
    return most


@pytest.mark.parametrize("verb", ["sleep", "asleep"])
def test_as_many_run_at_once_as_are_allowed(verb: str, site: Site) -> None:
    site.program("--concurrency", "3")
    words = [f"{verb}:0.3:{n}" for n in range(9)]
    site.push(*words)
    site.ended(*(f"ok {word}" for word in words))
    assert overlap(site) == 3


def test_a_thread_closes_its_connections(site: Site) -> None:
    """The next job on it opens its own, as the next request would."""
    site.program("--concurrency", "1")
    words = [f"query:_:{n}" for n in range(3)]
    site.push(*words)
    site.ended(*(f"ok {word}" for word in words))
    assert [line[2] for line in site.noted("began")] == ["False"] * 3


def test_async_handlers_share_no_connection(site: Site) -> None:
    """Each of those that run at once has a thread of its own for the ORM, which the next one there takes over."""
    site.program("--concurrency", "2")
    words = [f"aquery:0.3:{n}" for n in range(6)]
    site.push(*words)
    site.ended(*(f"ok {word}" for word in words))
    assert len({line[2] for line in site.noted("thread")}) == 2
    opened = [line[2] for line in site.noted("began") if len(line) > 2]
    assert opened == ["False"] * 6


@pytest.mark.parametrize("verb", ["fail", "exit", "afail", "acancel"])
def test_a_handler_fails(verb: str, site: Site) -> None:
    """Whatever it raises is its end, and only its own."""
    site.program("--concurrency", "1")
    site.push(f"{verb}:_:1", "sleep:0:2", "asleep:0:3")
    site.ended(f"failed {verb}:_:1", "ok sleep:0:2", "ok asleep:0:3")


def test_jobs_of_one_key_run_one_after_another(site: Site) -> None:
    """In their order, beside those of others."""
    site.program("--concurrency", "4")
    words = [f"sleep:0.05:{n}:ann" for n in range(5)] + [f"sleep:0.05:{n}:bob" for n in range(5)]
    site.push(*words)
    site.ended(*(f"ok {word}" for word in words))
    for name in ("ann", "bob"):
        events = [line for line in (site.folder / "diary").read_text().splitlines() if f":{name} " in line]
        assert [line.split()[0] for line in events] == ["began", "ended"] * 5
        numbers = [line.split()[1].split(":")[2] for line in events]
        assert numbers == sorted(numbers)


def test_a_blocked_loop_does_not_keep_a_program_from_ending(site: Site) -> None:
    program = site.program("--grace", "0.2")
    site.push("ablock:60:1")
    until(lambda: site.noted("began"))
    program.process.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert site.ends() == {"back ablock:60:1": 1}
