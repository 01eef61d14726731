"""How handlers run: side by side, each with what is its own, and none can harm the child."""

from collections.abc import Iterator

import pytest

from django_redis_patterns.testing.servers import RedisServer
from tests.core.worker import room
from tests.core.worker.conftest import Site

AT_ONCE = 3


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One program for all tests here, which a failed handler does not harm."""
    with RedisServer() as server, server.client(decode_responses=True) as client:
        site = Site(tmp_path_factory.mktemp("site"), client, server.connection)
        program = site.program("--concurrency", str(AT_ONCE))
        yield site
        assert "killed" not in program.log
        site.end()


@pytest.fixture(autouse=True)
def fresh(site: Site) -> None:
    """Let no test see what came of the words of another."""
    site.redis.delete(room.ENDS)
    (site.folder / "diary").write_text("")


def done(site: Site, verb: str, count: int = 1, seconds: float = 0.0) -> list[str]:
    """Let *count* jobs be done, all taken together; return their words."""
    words = [f"{verb}:{seconds}:{number}" for number in range(count)]
    site.push(*words)
    site.ended(*(f"ok {word}" for word in words))
    return words


def most_at_once(site: Site) -> int:
    events = [line.split()[0] for line in (site.folder / "diary").read_text().splitlines()]
    now = most = 0
    for event in events:
        now += {"began": 1, "ended": -1}.get(event, 0)
        most = max(most, now)
    return most


@pytest.mark.parametrize("verb", ["sleep", "asleep"])
def test_as_many_run_at_once_as_are_allowed(verb: str, site: Site) -> None:
    done(site, verb, 3 * AT_ONCE, 0.2)
    assert most_at_once(site) == AT_ONCE


def test_a_thread_closes_its_connections(site: Site) -> None:
    """The next job on it opens its own, as the next request would."""
    done(site, "query", 5 * AT_ONCE)
    assert {line[2] for line in site.noted("began")} == {"False"}


def test_async_handlers_share_no_connection(site: Site) -> None:
    """Each of those that run at once has a thread of its own for the ORM, which the next one there takes over."""
    done(site, "aquery", 3 * AT_ONCE, 0.2)
    assert len({line[2] for line in site.noted("thread")}) == AT_ONCE
    opened = [line[2] for line in site.noted("began") if len(line) > 2]
    assert opened == ["False"] * 3 * AT_ONCE


@pytest.mark.parametrize("verb", ["fail", "exit", "afail", "acancel"])
def test_a_handler_fails(verb: str, site: Site) -> None:
    """Whatever it raises is its end, and only its own."""
    words = [f"{verb}:_:{number}" for number in range(2 * AT_ONCE)]
    site.push(*words)
    site.ended(*(f"failed {word}" for word in words))
    done(site, f"{'a' * verb.startswith('a')}sleep", 2 * AT_ONCE, 0.01)


def test_jobs_of_one_key_run_one_after_another(site: Site) -> None:
    """In their order, beside those of others."""
    words = [f"sleep:0.05:{number}:{name}" for number in range(5) for name in ("ann", "bob")]
    site.push(*words)
    site.ended(*(f"ok {word}" for word in words))
    assert most_at_once(site) == 2
    for name in ("ann", "bob"):
        events = [line.split() for line in (site.folder / "diary").read_text().splitlines() if f":{name} " in line]
        assert [event for event, *_ in events] == ["began", "ended"] * 5
        assert [word.split(":")[2] for event, word, _ in events if event == "began"] == list("01234")


def test_a_process_that_a_handler_forks_can_be_ended(site: Site) -> None:
    """As any other; the child itself is not asked to end by that."""
    pids = {site.noted("began")[-1][1] for _ in done(site, "fork")}
    done(site, "sleep", 9)
    assert [line[2] for line in site.noted("ended") if "fork" in line[0]] == ["15"]
    assert {line[1] for line in site.noted("began")} == pids
