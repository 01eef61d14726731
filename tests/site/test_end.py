"""What the demo has started ends with it, however it ends."""

import re
import signal
from pathlib import Path

import pytest

from django_redis_patterns.core.worker.identity import is_surely_dead, name_of
from tests.browser.arcade import arcade
from tests.core.worker.conftest import until

from .visitor import PATIENCE, Visitor

PIDS = r'name="pid" value="(\d+)"'


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_machines_and_worker_end_with_the_site(tmp_path: Path, number: int) -> None:
    with arcade(tmp_path, machines=1, worker=True) as site:
        ada = Visitor(site.url).log_in()
        pages = [
            ada.wait(path, lambda rows: len(re.findall(PIDS, rows)) == 2, "Its processes never came")
            for path in ("/streams/rows/", "/queues/rows/")
        ]
        names = [name_of(int(pid)) for page in pages for pid in re.findall(PIDS, page)]
        site.process.send_signal(number)
        assert site.process.wait(PATIENCE) == (0 if number == signal.SIGINT else -number)
        until(lambda: all(map(is_surely_dead, names)), PATIENCE)
        assert number == signal.SIGKILL or site.errors.read_text() == ""
