"""Everything that can die does, again and again: every job ends, and its end is recorded once."""

import random
import time
from collections import Counter

import pytest

from tests.core.worker.conftest import Program, Site, until

pytestmark = [pytest.mark.permanent_keys("*:words:*"), pytest.mark.slow, pytest.mark.timeout(300)]

JOBS, FAULTS, LEASE = 6000, 30, 1.5


def strike(site: Site, program: Program, fault: str) -> None:
    children = program.children()
    if fault == "child" and children:
        random.choice(children).kill()
    elif fault == "supervisor":
        program.process.kill()
        site.program("--processes", "2", lease=LEASE)
    elif fault == "tree":
        program.end()
        site.program("--processes", "2", lease=LEASE)
    elif fault == "freeze":
        program.process.freeze()
        time.sleep(1.2 * LEASE)
        program.process.thaw()


def test_torture(site: Site) -> None:
    random.seed(7)
    struck: Counter[str] = Counter()
    words = [f"{verb}:0.004:{number}" for number in range(JOBS // 2) for verb in ("sleep", "asleep")]
    site.program("--processes", "2", lease=LEASE)
    site.program("--processes", "2", lease=LEASE)
    for number in range(FAULTS):
        site.push(*words[number::FAULTS])
        time.sleep(random.uniform(0, 0.5))
        fault = random.choice(["child", "child", "supervisor", "tree", "freeze"])
        living = [program for program in site.programs if not program.process.is_gone and program.children()]
        if living:
            strike(site, random.choice(living), fault)
            struck[fault] += 1
    until(lambda: {f"ok {word}" for word in words} <= site.ends().keys(), 120)
    assert min(struck[fault] for fault in ("child", "supervisor", "tree", "freeze")) > 0
    assert {count for end, count in site.ends().items() if end.startswith("ok ")} == {1}
    until(lambda: site.taken() == {})
    again = sum(site.runs().values()) - JOBS
    assert again > 0, "no fault has hit anything"
    print(f"{struck}, {again} of {JOBS} ran again")
