"""Children that die, hang or never come up, supervisors that do, and what becomes of their jobs."""

import re
import signal
import time

import pytest

from tests.core.worker.conftest import Site, below, until

pytestmark = pytest.mark.permanent_keys("*:words:*")


def test_a_killed_childs_job_is_run_again_at_once(site: Site) -> None:
    """Its brother has it long before the lease ends, although it was blocked in Redis."""
    program = site.program("--processes", "2", lease=600)
    until(lambda: len(program.children()) == 2)
    site.push("wait:go:1")
    ((_, pid),) = until(lambda: site.noted("began"))
    next(child for child in program.children() if child.pid == int(pid)).kill()
    (_, (_, other)) = until(lambda: len(site.noted("began")) == 2 and site.noted("began"))
    assert other != pid
    (site.folder / "go").touch()
    site.ended("ok wait:go:1")
    until(lambda: len(program.children()) == 2)
    assert "SIGKILL" in program.log


def test_nothing_is_taken_before_a_lease_is_held(site: Site) -> None:
    """What a child has must be taken from it when it dies, so others must be able to see that it lives."""
    program = site.program(EXTRA_MODULE="tests.core.worker.leaseless")
    site.push("sleep:0:1")
    until(lambda: "no lease" in program.log)
    until(lambda: len(below(program.process.pid)) == 1)
    time.sleep(2)  # a child that is not held back has long begun by then
    assert (site.runs(), site.taken()) == ({}, {})
    (site.folder / "lease").touch()
    site.ended("ok sleep:0:1")


def test_an_only_child_is_replaced(site: Site) -> None:
    """Its heir does what it has left."""
    program = site.program(lease=600)
    site.push("wait:go:1")
    until(lambda: site.noted("began"))
    program.children()[0].kill()
    until(lambda: site.runs()["wait:go:1"] == 2)
    (site.folder / "go").touch()
    site.ended("ok wait:go:1")


def test_a_handler_that_lets_nothing_else_run_keeps_its_job(site: Site) -> None:
    """No thread of its process can run for several leases: others want the job, and do not get it."""
    site.program("--concurrency", "1", lease=0.6)
    site.push("hog:2.5:1")
    until(lambda: site.noted("began"))
    site.program(lease=0.6)
    site.ended("ok hog:2.5:1")
    assert site.runs()["hog:2.5:1"] == 1


@pytest.mark.slow
def test_a_frozen_child_keeps_its_job(site: Site) -> None:
    """It lives as long as its supervisor can see it: what it does is not done twice."""
    program = site.program(lease=0.6)
    site.push("sleep:0.3:1")
    until(lambda: site.noted("began"))
    (child,) = program.children()
    child.freeze()
    other = site.program(lease=0.6)
    until(other.children)
    time.sleep(2)
    child.thaw()
    site.ended("ok sleep:0.3:1")
    assert site.runs()["sleep:0.3:1"] == 1


def test_a_frozen_supervisor_loses_its_leases(site: Site) -> None:
    """Another has the jobs then; the end that its own child tells of is refused, and the supervisor says so."""
    program = site.program(lease=0.6)
    site.push("wait:go:1")
    until(lambda: site.noted("began"))
    program.process.freeze()
    site.program(lease=0.6)
    until(lambda: site.runs()["wait:go:1"] == 2)
    (site.folder / "go").touch()
    site.ended("ok wait:go:1", "refused wait:go:1")
    program.process.thaw()
    until(lambda: "had run out" in program.log)
    site.push("sleep:0:2")
    site.ended("ok sleep:0:2")


def test_a_killed_supervisors_children_finish_and_end(site: Site) -> None:
    """They begin nothing new, and keep their leases for what they are at."""
    program = site.program(lease=0.6)
    site.push("sleep:2:1")
    until(lambda: site.noted("began"))
    (child,) = program.children()
    program.process.kill()
    until(lambda: "the supervisor is gone" in program.log)
    site.push("sleep:0:2")
    site.program(lease=0.6)
    site.ended("ok sleep:2:1", "ok sleep:0:2")
    until(lambda: child.is_gone)
    assert site.runs() == {"sleep:2:1": 1, "sleep:0:2": 1}
    assert int(site.noted("began")[1][1]) != child.pid


def test_a_killed_trees_jobs_are_taken_over_at_the_next_start(site: Site) -> None:
    """On the same machine nobody waits for the lease."""
    program = site.program(lease=600)
    site.push("wait:go:1")
    until(lambda: site.noted("began"))
    (child,) = program.children()
    program.process.kill()
    child.kill()
    site.program(lease=600)
    until(lambda: site.runs()["wait:go:1"] == 2)
    (site.folder / "go").touch()
    site.ended("ok wait:go:1")


def test_children_that_never_come_up_are_not_started_again_and_again(site: Site) -> None:
    """The second start is at once, those after it wait longer and longer."""
    program = site.program(EXTRA_MODULE="tests.core.worker.crash", lease=10)
    until(lambda: len(re.findall("ended with code 1", program.log)) == 3)
    pauses = [float(text) for text in re.findall(r"starts in (\d+\.\d) s", program.log)]
    assert pauses[0] == 0 < pauses[1] <= pauses[2]  # as rounded; each is half as long as it may be, or more
    program.process.signal(signal.SIGTERM)
    assert program.wait() == 0


def test_sighup_starts_anew(site: Site) -> None:
    """The same process, with the code of today: what has begun is finished before."""
    program = site.program()
    site.push("wait:go:1")
    until(lambda: site.noted("began"))
    (before,) = program.children()
    program.process.signal(signal.SIGHUP)
    until(lambda: "Finishing" in program.log)
    (site.folder / "go").touch()
    site.ended("ok wait:go:1")
    until(lambda: (now := program.children()) and before not in now)
    assert program.log.count("1 process,") == 2
