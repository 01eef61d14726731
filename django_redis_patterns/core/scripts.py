"""Lua scripts: one file per atomic decision, in the ``lua`` folder of the room that declares it."""

import sys
from functools import cached_property
from hashlib import sha1
from pathlib import Path


class Script:
    """``SAVE = Script("save.lua")`` beside the room's code; ``await io.run(SAVE, keys=[...], args=[...])`` runs it.

    Sent as EVALSHA; a server that has lost it answers NOSCRIPT and is sent the text once, in batches too.
    ``idempotent=True`` says that running it twice is as good as once: then it is run again when its reply was lost.
    """

    def __init__(self, name: str, *, idempotent: bool = False) -> None:
        module = sys._getframe(1).f_globals["__file__"]
        self.name = name
        self.idempotent = idempotent
        self.path = Path(module).parent / "lua" / name

    @cached_property
    def text(self) -> str:
        """The Lua source."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def sha(self) -> str:
        """The name under which Redis knows the text."""
        return sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def __repr__(self) -> str:
        return f"Script({self.name!r})"
