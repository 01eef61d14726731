"""One process of the fleet: on orders it sends many visitors to the page at one moment, and says what happens to them.

Orders come in as lines of JSON, and what happens goes out as such. Times are seconds since the epoch, by the one clock
of the machine. The process ends when nobody can give it orders any more.
"""

import json
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, TextIO

from arcade.front_page import PAGES, told, visitor
from django_redis_patterns.core import trace
from django_redis_patterns.exceptions import RedisPatternsError


class Process:
    """Takes orders from *orders* and reports to *reports*."""

    def __init__(self, orders: TextIO, reports: TextIO) -> None:
        self._orders, self._reports, self._guard = orders, reports, threading.Lock()
        told[0] = self.say

    def run(self) -> None:
        """Follow orders until there are no more."""
        self.say("ready")
        for line in self._orders:
            order = json.loads(line)
            # Orders may wait for each other at the page, never here.
            threading.Thread(target=getattr(self, order.pop("do")), kwargs=order, daemon=True).start()

    def say(self, what: str, **about: Any) -> None:
        """Report *what* happens now."""
        line = json.dumps({"what": what, "at": time.time()} | about)
        with self._guard:
            print(line, file=self._reports, flush=True)

    def prepare(self, page: str) -> None:
        """Make the page and keep it."""
        PAGES[page].refresh()
        self.say("prepared")

    def visit(self, page: str, visitors: Iterable[int], at: float) -> None:
        """Send *visitors* to the page at that moment."""
        threads = [threading.Thread(target=self._visit, args=(page, who, at), daemon=True) for who in visitors]
        for thread in threads:
            thread.start()

    def count(self, page: str) -> None:
        """Say how often what happened, as far as this process knows."""
        self.say("counted", stats=asdict(PAGES[page].stats()))

    def _visit(self, page: str, who: int, at: float) -> None:
        visitor.set(who)
        time.sleep(max(0.0, at - time.time()))
        self.say("came", who=who)
        try:
            with trace.record() as log:
                got = PAGES[page]()
        except RedisPatternsError as error:
            self.say("failed", who=who, error=str(error))
        else:
            commands = [told.command for told in log.commands]
            self.say("served", who=who, page=got["id"], made_at=got["made_at"], commands=commands, trips=log.trips)
