"""The processes from which visitors come: started when they are needed, and gone when they were idle for a while."""

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

from django.conf import settings

SIZE, IDLE = 4, 60.0  # s
Hear: TypeAlias = Callable[["Member", dict[str, Any]], None]


class Member:
    """One process of the fleet; *hear* is called with all that it says, and with ``{"what": "ended"}`` at last."""

    def __init__(self, number: int, hear: Hear) -> None:
        self.number, self._hear = number, hear
        manage = str(settings.BASE_DIR / "manage.py")
        warnings = [f"-W{option}" for option in sys.warnoptions]
        self._popen = subprocess.Popen(
            [sys.executable, *warnings, manage, "visitors"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"REDIS_URL": settings.REDIS_PATTERNS["CONNECTIONS"]["default"]["URL"]},
        )
        self.pid = self._popen.pid
        threading.Thread(target=self._listen, name=f"fleet-{number}", daemon=True).start()

    def order(self, do: str, **about: Any) -> None:
        """Have it *do* something."""
        assert self._popen.stdin
        self._popen.stdin.write(json.dumps({"do": do} | about) + "\n")
        self._popen.stdin.flush()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._popen.kill()

    def dismiss(self) -> None:
        """Let it end by itself."""
        assert self._popen.stdin
        self._popen.stdin.close()

    def wait(self) -> None:
        """See to it that it has ended."""
        try:
            self._popen.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def _listen(self) -> None:
        with self._popen as popen:
            for line in popen.stdout or ():
                if line.endswith("\n"):  # who is killed in the middle of one has not said it
                    self._hear(self, json.loads(line))
        self._hear(self, {"what": "ended"})


class Fleet:
    """The processes that are there, by their numbers."""

    def __init__(self) -> None:
        self.members: dict[int, Member] = {}
        self._timer: threading.Timer | None = None
        atexit.register(self.dismiss)  # a site that ends by another command than the demo

    def muster(self, hear: Hear) -> None:
        """Start those who are missing; each says that it is ready."""
        self._wake()
        for number in range(1, SIZE + 1):
            if number not in self.members:
                self.members[number] = Member(number, hear)

    def lose(self, member: Member) -> None:
        """Forget one that has ended."""
        if self.members.get(member.number) is member:
            del self.members[member.number]

    def rest(self) -> None:
        """Dismiss all, unless they are needed again soon."""
        self._timer = threading.Timer(IDLE, self.dismiss)
        self._timer.daemon = True
        self._timer.start()

    def dismiss(self) -> None:
        """Let all of them end."""
        self._wake()
        members, self.members = self.members, {}
        for member in members.values():
            member.dismiss()
        for member in members.values():
            member.wait()

    def _wake(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
